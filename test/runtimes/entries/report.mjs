/** The page's side of lib/pages.mjs: asks what is expected, posts the result, goes back to the lobby. */

export async function report(run) {
  let result;
  try {
    const expected = await (await fetch("expected")).json();
    result = await run(expected);
  } catch (error) {
    result = { kernels: { name: "-", reason: "" }, checks: [], problem: `${error}` };
  }
  await fetch("done", { method: "POST", body: JSON.stringify(result) });
  location.href = "/lobby";
}

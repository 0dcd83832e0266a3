/** moto's S3 on this machine, with a user whose signatures it checks. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { until } from "../lib/checks.mjs";
import { freePort, start, stop } from "../lib/processes.mjs";
import { root } from "../lib/project.mjs";

const SERVER = join(root, "build/s3-server/bin/moto_server");
const POLICY = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }],
};

export const python = join(root, "build/s3-server/bin/python");

/** @returns a bucket's address, clients of whom may and who may not, and `stop` */
export async function startS3() {
  if (!existsSync(SERVER)) throw new Error("no S3 server; run bash scripts/ci-s3.sh");
  const port = await freePort();
  // The first three actions make the user; from then on everything must be signed.
  const env = { INITIAL_NO_AUTH_ACTION_COUNT: "3" };
  const child = start(SERVER, ["-H", "127.0.0.1", "-p", String(port)], { env });
  const url = `http://127.0.0.1:${port}`;
  try {
    const keys = await until("S3 answers", () => user(url, child).catch(() => undefined));
    const client = clientOf(keys);
    const bucket = `${url}/models`;
    const { status } = await client.fetch(bucket, { method: "PUT" });
    if (status !== 200) throw new Error(`no bucket: status ${status}`);
    const stranger = clientOf({ ...keys, secretAccessKey: "wrong" });
    return { bucket, client, stranger, stop: () => stop(child) };
  } catch (error) {
    stop(child);
    throw error;
  }
}

const clientOf = (keys) =>
  new AwsClient({ ...keys, service: "s3", region: "us-east-1", retries: 0 });

async function user(url, child) {
  if (child.exitCode !== null) throw new Error("moto has ended");
  await fetch(`${url}/moto-api/`);
  const anyone = { accessKeyId: "any", secretAccessKey: "one", service: "iam" };
  const client = new AwsClient({ ...anyone, region: "us-east-1", retries: 0 });
  const ask = async (parameters) => {
    const body = new URLSearchParams({ Version: "2010-05-08", UserName: "u", ...parameters });
    const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
    const answer = await client.fetch(url, { method: "POST", headers, body: String(body) });
    return answer.text();
  };
  await ask({ Action: "CreateUser" });
  const PolicyDocument = JSON.stringify(POLICY);
  await ask({ Action: "PutUserPolicy", PolicyName: "all-of-s3", PolicyDocument });
  const xml = await ask({ Action: "CreateAccessKey" });
  return {
    accessKeyId: /<AccessKeyId>([^<]+)/.exec(xml)[1],
    secretAccessKey: /<SecretAccessKey>([^<]+)/.exec(xml)[1],
  };
}

/** What the loaders know about a model's architecture: its linear layers and their skip rules. */
export type { ModelIdentity } from "./identity.ts";
export { type LayerKind, type LayerRules, layerRules } from "./rules.ts";
export { floatModules, moduleNames, skipModules } from "./skip-modules.ts";

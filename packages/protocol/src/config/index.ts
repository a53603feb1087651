export { diagnose } from './diagnose.ts';
export { type ConfigChange, diffConfig } from './diff.ts';
export {
  type ConfigFile,
  type ConfigInput,
  emptyConfig,
  mergeConfig,
  type ObjectKind,
  type ParsedConfig,
  type Place,
  type Positions,
} from './input.ts';
export { parseConfig } from './parse.ts';
export { findPlace } from './positions.ts';
export { configReference } from './reference.ts';
export { renderConfig } from './render.ts';
export type { ConfigCode } from './report.ts';

export { type ConfigChange, diffConfig } from './diff.ts';
export { configReference, diagnose, parseConfig, renderConfig } from './first.ts';
export {
  type ConfigFile,
  type ConfigInput,
  emptyConfig,
  mergeConfig,
  type ParsedConfig,
  type Place,
  type Positions,
} from './input.ts';

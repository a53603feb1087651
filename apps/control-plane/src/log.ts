import { redactKeys } from '@fluxgate/policy';
import { type Logger, pino } from 'pino';
import type { LogLevel } from './config.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/**
 * JSON lines. Redaction works on the finished line, so it does not matter in which field, message or stack of an error
 * a credential turned up. Bodies and headers are never given to the log in the first place.
 */
export function createLog(level: LogLevel, write: (line: string) => void, nowMs: () => number): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(redactKeys(line)) },
  );
}

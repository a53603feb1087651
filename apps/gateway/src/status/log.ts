import { type Logger, pino } from 'pino';
import type { LogLevel } from '../config.ts';
import { scrub } from '../telemetry/scrub.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/**
 * JSON lines. Redaction works on the finished line, so it does not matter in which field, message or stack of an error
 * a credential turned up. Headers, bodies and queries are never given to the log in the first place.
 */
export function createLog(level: LogLevel, write: (line: string) => void, nowMs: () => number): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(scrub(line)) },
  );
}

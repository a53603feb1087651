import { DatabaseUnavailable, RuleBroken, UniqueConflict } from '../ports/faults.ts';

/** What the drivers, the adapters and Prisma say about one failure, gathered from the chain of causes. */
interface Signs {
  sqlState: string | null;
  prisma: string | null;
  system: string | null;
  constraint: string | null;
  columns: readonly string[];
  message: string;
}

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

function readSigns(error: unknown): Signs {
  const signs: Signs = { sqlState: null, prisma: null, system: null, constraint: null, columns: [], message: '' };
  let layer: unknown = error;
  for (let depth = 0; depth < 8 && typeof layer === 'object' && layer !== null; depth++) {
    const code = text(field(layer, 'code'));
    if (code !== null) {
      if (/^P\d{4}$/.test(code)) signs.prisma ??= code;
      else if (/^[0-9A-Z]{5}$/.test(code)) signs.sqlState ??= code;
      else if (/^E[A-Z_]+$/.test(code)) signs.system ??= code;
    }
    signs.sqlState ??= text(field(layer, 'originalCode'));
    // PGlite's server has died inside WASM (a full disk, for one): it answers nothing any more.
    if (/^(RuntimeError|ExitStatus)$/.test(text(field(layer, 'name')) ?? '')) signs.system ??= 'EMBEDDED';
    const constraint = field(layer, 'constraint');
    signs.constraint ??= text(constraint) ?? text(field(constraint, 'index'));
    const columns = field(constraint, 'fields') ?? field(field(layer, 'meta'), 'target');
    if (signs.columns.length === 0 && Array.isArray(columns))
      signs.columns = columns.map((name) => String(name).replaceAll('"', ''));
    const message = text(field(layer, 'originalMessage')) ?? text(field(layer, 'message'));
    if (message !== null && message !== '') signs.message = message; // the innermost is the plainest
    layer = field(field(layer, 'meta'), 'driverAdapterError') ?? field(layer, 'cause');
  }
  return signs;
}

/** Postgres said that nothing happened because of others: the whole transaction may run again. */
const RETRYABLE_STATES = new Set(['40001', '40P01', '55P03']);
const RETRYABLE_PRISMA = new Set(['P2034']);

/** Prisma: cannot reach, timed out, closed, pool timeout, transaction not started or expired. */
const UNAVAILABLE_PRISMA = new Set([
  'P1000',
  'P1001',
  'P1002',
  'P1003',
  'P1008',
  'P1010',
  'P1011',
  'P1017',
  'P2024',
  'P2028',
  'P2037',
  'P1018',
]);
const UNAVAILABLE_MESSAGE =
  /connection terminated|client has encountered a connection error|timeout exceeded when trying to connect|server closed the connection|connection ended|cannot use a pool after calling end|pglite is clos/i;

function isUnavailable(signs: Signs): boolean {
  const state = signs.sqlState;
  if (state !== null) {
    // 08 connection, 53 out of resources, 57 operator intervention and cancelled statements, 58 I/O, 25P03 idle in transaction, 28/3D login
    if (/^(08|53|57|58|28|3D)/.test(state) || state === '25P03' || state === '25006' || RETRYABLE_STATES.has(state)) return true;
  }
  if (signs.system !== null && state === null) return true;
  if (signs.prisma !== null && (UNAVAILABLE_PRISMA.has(signs.prisma) || RETRYABLE_PRISMA.has(signs.prisma))) return true;
  return UNAVAILABLE_MESSAGE.test(signs.message);
}

export function isRetryable(error: unknown): boolean {
  const signs = readSigns(error);
  return (
    (signs.sqlState !== null && RETRYABLE_STATES.has(signs.sqlState)) ||
    (signs.prisma !== null && RETRYABLE_PRISMA.has(signs.prisma))
  );
}

/**
 * Turns an error of a driver or of Prisma into a typed one; others come back as they are.
 * `committing`: the error came out of COMMIT, so a broken connection leaves the outcome unknown.
 */
export function classifyDatabaseError(error: unknown, committing = false): unknown {
  if (error instanceof DatabaseUnavailable || error instanceof UniqueConflict || error instanceof RuleBroken) return error;
  const signs = readSigns(error);
  if (signs.prisma === 'P2002' || signs.sqlState === '23505') return new UniqueConflict(signs.constraint, signs.columns, error);
  if (signs.sqlState === '23514' || signs.sqlState === '23001') {
    return new RuleBroken(signs.constraint ?? signs.sqlState, signs.message, error);
  }
  if (isUnavailable(signs)) {
    const known = signs.sqlState !== null && !/^(08|57)/.test(signs.sqlState);
    // The address and the statement stay in the cause: messages may reach clients.
    return new DatabaseUnavailable(
      `the database is unavailable (${signs.sqlState ?? signs.prisma ?? signs.system ?? 'connection lost'})`,
      {
        outcome: committing && !known ? 'unknown' : 'not_done',
        cause: error,
      },
    );
  }
  return error;
}

/** Runs `fn`, throwing typed errors only. */
export async function classified<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    throw classifyDatabaseError(error);
  }
}

import { accessSync, constants, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Config, ConfigProblem } from './config.ts';

/** Node 24 is needed for `reusePort` listeners and `crypto.hash`. */
export function nodeProblem(version: string): ConfigProblem | null {
  const major = Number(version.split('.')[0]);
  if (major >= 24) return null;
  return {
    name: 'Node',
    why: `this is Node ${version}, and the servers need Node 24`,
    remedy: 'Start FluxGate with `npm start`, which brings its own Node 24 along.',
  };
}

export function dataDirProblem(dir: string): ConfigProblem | null {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    accessSync(dir, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    return {
      name: 'FLUXGATE_DATA_DIR',
      why: `the data directory ${dir} cannot be written (${code})`,
      remedy: 'Give yourself write permission there, or set FLUXGATE_DATA_DIR to another directory.',
    };
  }
}

function taken(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(null)));
  });
}

/** One problem for each port that something else holds. */
export async function portProblems(config: Config): Promise<ConfigProblem[]> {
  const ports = [
    ['FLUXGATE_GATEWAY_PORT', config.gatewayPort, 'the gateway'],
    ['FLUXGATE_ADMIN_PORT', config.adminPort, 'the admin API'],
    ['FLUXGATE_STATUS_PORT', config.statusPort, "the node's status"],
    ['FLUXGATE_SAMPLE_PORT', config.samplePort, 'the sample upstream'],
  ] as const;
  const problems: ConfigProblem[] = [];
  for (const [name, port, whose] of ports) {
    const code = await taken(port);
    if (code === null) continue;
    const why =
      code === 'EADDRINUSE'
        ? `port ${port} for ${whose} is taken by another program`
        : `port ${port} for ${whose} cannot be opened (${code})`;
    problems.push({ name, why, remedy: `Stop that program, or choose another port: ${name}=${port + 10_000} npm start` });
  }
  return problems;
}

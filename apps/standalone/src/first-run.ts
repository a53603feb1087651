import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from './config.ts';

const adminUrl = (config: Config): string => `http://127.0.0.1:${config.adminPort}`;

/** Applies the sample configuration over the admin API, as `fluxctl apply` would. Answers the revision it made. */
export async function applySample(config: Config, token: string): Promise<number | null> {
  const text = readFileSync(join(config.home, 'apps', 'standalone', 'sample', 'fluxgate.yaml'), 'utf8').replaceAll(
    'http://127.0.0.1:8083',
    `http://127.0.0.1:${config.samplePort}`,
  );
  const response = await fetch(`${adminUrl(config)}/v1/config/apply?wait=converged&timeout=10s`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ files: [{ name: 'sample/fluxgate.yaml', text }] }),
  });
  const body = (await response.json()) as { revision?: number | null; detail?: string };
  if (!response.ok) throw new Error(`the sample configuration was refused: ${body.detail ?? response.status}`);
  return body.revision ?? null;
}

/** Saves the fluxctl context `local`; the token goes in by stdin, never by argument. Answers null, or why it could not. */
export function saveContext(
  config: Config,
  token: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  const args = [
    join(config.home, 'apps', 'fluxctl', 'bin', 'fluxctl.js'),
    'context',
    'add',
    'local',
    '--server',
    adminUrl(config),
    '--token-stdin',
    '--use',
    '--replace',
  ];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env: env as NodeJS.ProcessEnv, stdio: ['pipe', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-2000);
    });
    child.stdin.on('error', () => {});
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? null : said.trim() || `fluxctl ended with exit code ${code}`));
    child.stdin.end(`${token}\n`);
  });
}

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { build, fluxctl } from './binary.ts';
import * as fixed from './fixtures.ts';
import { problem, type Replies, type Stub, startStub } from './stub.ts';
import { TOKEN } from './world.ts';

/**
 * Golden transcripts: each file says the command, an optional `# name: value` for the environment, the exit code, and
 * then what stdout and stderr are, through the built program. FLUXCTL_UPDATE_TRANSCRIPTS=1 writes them anew.
 */
const DIR = join(import.meta.dirname, 'transcripts');
const replies: Replies = {
  'POST /v1/keys': (seen) => {
    const name = (seen.body as { name: string }).name;
    if (name === 'taken')
      return problem(409, 'key_name_taken', 'A key named taken exists', { hint: 'Rotate it instead: fluxctl keys rotate taken' });
    if (name === 'slow') return { status: 201, json: { ...fixed.issued, convergence: fixed.behind } };
    if (name === 'lonely') return { status: 201, json: { ...fixed.issued, convergence: fixed.noNodes } };
    return { status: 201, json: seen.query['dryRun'] ? { ...fixed.issued, secret: null, convergence: null } : fixed.issued };
  },
  'GET /v1/keys': (seen) => ({ json: { items: seen.query['due'] === 'true' ? [] : [fixed.key], nextCursor: null } }),
  'GET /v1/keys/analytics-service': { json: fixed.key },
  'GET /v1/keys/nope': problem(404, 'key_not_found', 'There is no key nope'),
  'POST /v1/keys/analytics-service/rotate': { status: 201, json: fixed.rotated },
  'POST /v1/keys/replayed/rotate': { status: 201, json: { ...fixed.rotated, secret: null, replayed: true } },
  'POST /v1/keys/analytics-service/revoke': {
    json: { revision: 813, convergence: { ...fixed.converged, revision: 813 }, key: { ...fixed.key, state: 'revoked' } },
  },
  'GET /v1/rotations/rot_7Q2': {
    json: {
      ...fixed.rotation,
      oldLastUsedAt: '2026-09-29T09:11:00Z',
      oldLastAddress: '10.2.4.17',
      oldLastUserAgent: 'analytics-batch/2.1',
    },
  },
  'POST /v1/rotations/rot_7Q2/finish': problem(
    409,
    'rotation_not_idle',
    'Version 3 is still in use: 41 requests in the last 10 min from 10.2.4.17',
  ),
  'GET /v1/nodes': { json: fixed.nodes },
  'GET /v1/revisions/812/convergence': { json: fixed.behind },
  'POST /v1/config/apply': (seen) =>
    JSON.stringify(seen.body).includes('upstraem')
      ? problem(422, 'config_invalid', '1 mistake', {
          errors: [
            { file: '<stdin>', line: 2, column: 1, message: 'unknown field `upstraem`', hint: 'did you mean `upstream`?' },
          ],
        })
      : {
          json: {
            ...fixed.applied,
            dryRun: seen.query['dryRun'] === 'true',
            ...(seen.query['dryRun'] ? { revision: null, convergence: null } : {}),
          },
        },
  'GET /v1/config/export': { json: { revision: 812, yaml: 'version: 1\n---\nroute: /status\nauth: none\n' } },
  'POST /v1/auth/verify': { json: fixed.report },
  'PUT /v1/oauth2/clients/gx_88291a': { json: fixed.oauth2Updated },
  'PUT /v1/oauth2/clients/same': {
    json: {
      ...fixed.oauth2Updated,
      outcome: 'unchanged',
      changes: [],
      warnings: [],
      convergence: null,
      client: { ...fixed.oauth2Updated.client, clientId: 'same' },
    },
  },
  'POST /v1/tokens': { status: 201, json: fixed.issuedToken },
  'POST /v1/routes/test': { json: fixed.routeTest },
  'GET /v1/whoami': { json: fixed.whoami },
  'GET /v1/secrets': problem(403, 'forbidden', 'The role viewer may not list secrets'),
  'GET /v1/audit': problem(401, 'unauthenticated', 'No valid admin token'),
};

let stub: Stub;
let home: string;
beforeAll(async () => {
  build();
  home = mkdtempSync(join(tmpdir(), 'fluxctl-transcripts-'));
  stub = await startStub(replies);
}, 60_000);
afterAll(async () => {
  await stub.close();
  rmSync(home, { recursive: true, force: true });
});

/** What differs from run to run: the port, the home, and distances from today. */
const normal = (text: string): string =>
  text
    .replaceAll(stub.url, 'http://admin.test')
    .replaceAll(home, '~')
    .replace(/\(\d+ (d|h|min|s)\)/g, '(… $1)')
    .replace(/\b\d+ (d|h|min|s)( +)?ago/g, '… ago')
    .replace(/ends in \d+ (d|h|min|s)/g, 'ends in …');

interface Transcript {
  readonly command: string;
  readonly env: Record<string, string>;
  readonly stdin: string;
}
function read(path: string): { head: Transcript; text: string } {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  const env: Record<string, string> = {};
  let stdin = '';
  let command = '';
  for (const line of lines) {
    if (line.startsWith('$ ')) {
      command = line.slice(2);
      break;
    }
    const found = /^# (env|stdin): (.*)$/.exec(line);
    if (found?.[1] === 'stdin') stdin = JSON.parse(found[2]!) as string;
    if (found?.[1] === 'env') env[found[2]!.slice(0, found[2]!.indexOf('='))] = found[2]!.slice(found[2]!.indexOf('=') + 1);
  }
  return { head: { command, env, stdin }, text };
}
const wordsOf = (command: string): string[] =>
  [...command.matchAll(/'([^']*)'|(\S+)/g)].map((found) => found[1] ?? found[2] ?? '').slice(1);

describe('transcripts', () => {
  test.each(readdirSync(DIR).sort())('%s', async (name) => {
    const path = join(DIR, name);
    const { head, text } = read(path);
    const ran = await fluxctl(
      wordsOf(head.command),
      { HOME: home, FLUXCTL_SERVER: stub.url, FLUXCTL_TOKEN: TOKEN, ...head.env },
      { stdin: head.stdin },
    );
    const intro = text.slice(0, text.indexOf('$ '));
    const now = `${intro}$ ${head.command}\n[exit ${ran.exit}]\n--- stdout\n${normal(ran.stdout)}--- stderr\n${normal(ran.stderr)}`;
    if (process.env['FLUXCTL_UPDATE_TRANSCRIPTS'] === '1') writeFileSync(path, now);
    else expect(now).toBe(text);
    // Whatever is shown: JSON parses, and no talk comes on stdout.
    if (/-o json/.test(head.command) && ran.stdout !== '') JSON.parse(ran.stdout);
    expect(ran.stderr).not.toContain(TOKEN);
    expect(ran.stdout).not.toMatch(/^(error:|✓|✗|context )/m);
  });
});

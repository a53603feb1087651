import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { home, startHouse, startProcess, startUpstream } from '../src/index.ts';
import { engines } from './engines.ts';
import { sampleConfig } from './sample-config.ts';

function* filesBelow(dir: string): Generator<string> {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) yield* filesBelow(path);
    else if (stat?.isFile()) yield path;
  }
}

/** The secret as it might lie around: itself, base64, hex, percent-encoded, and its secret part alone. */
const spellings = (secret: string): string[] => {
  const part = secret.split('_').at(3)?.slice(0, 43) ?? secret;
  return [
    secret,
    part,
    Buffer.from(secret).toString('base64').replace(/=+$/, ''),
    Buffer.from(part).toString('base64').replace(/=+$/, ''),
    Buffer.from(secret).toString('hex'),
    encodeURIComponent(secret),
  ];
};

test.each(engines)(
  'no key stands in clear in the database, on disk, in logs, in the audit log or in the process list ($name)',
  async (engine) => {
    const database = await engine.open();
    const upstream = await startUpstream(() => ({ status: 500, body: '{"oops":true}' }));
    const house = await startHouse({
      nodes: 1,
      ...(database.databaseUrl === undefined ? {} : { databaseUrl: database.databaseUrl }),
    });
    try {
      await house.admin.apply(sampleConfig(upstream.url));
      const secrets: string[] = [];
      const env = {
        FLUXCTL_SERVER: house.adminUrl,
        FLUXCTL_TOKEN: house.admin.token,
        FLUXCTL_CONFIG: join(house.dir, 'fluxctl.yaml'),
        XDG_STATE_HOME: join(house.dir, 'state'),
      };
      // By the CLI, while the process list is watched.
      const cli = startProcess(
        join(home, 'apps', 'fluxctl', 'bin', 'fluxctl.js'),
        ['keys', 'generate', '--name', 'by-cli', '--scope', 'read:reports', '--debug'],
        env,
      );
      const seen: string[] = [];
      const watch = setInterval(() => {
        for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
          try {
            seen.push(readFileSync(`/proc/${pid}/cmdline`, 'latin1'));
          } catch {
            // The process ended meanwhile.
          }
        }
      }, 20);
      expect((await cli.exited).code).toBe(0);
      clearInterval(watch);
      const byCli = cli.stdout().trim();
      expect(byCli).toMatch(/^fgk_live_/);
      expect(cli.output().split(byCli).length - 1).toBe(1);
      secrets.push(byCli);
      const byApi = await house.admin.call<{ secret: string }>(
        'POST',
        '/v1/keys?wait=converged&timeout=10s',
        { name: 'by-api', scopes: ['read:reports'] },
        { 'idempotency-key': 'once-and-again' },
      );
      secrets.push(byApi.body.secret);
      const replay = await house.admin.call<{ secret: string | null; replayed: boolean }>(
        'POST',
        '/v1/keys?wait=converged&timeout=10s',
        { name: 'by-api', scopes: ['read:reports'] },
        { 'idempotency-key': 'once-and-again' },
      );
      expect([replay.body.secret, replay.body.replayed]).toEqual([null, true]);
      secrets.push((await house.admin.rotate('by-api')).secret ?? '');
      await house.admin.call('PUT', '/v1/secrets', {
        path: 'secret/data/oauth2',
        field: 'client_secret',
        value: 'canary-Zq8vT3xLw0',
      });
      secrets.push(
        'canary-Zq8vT3xLw0',
        house.admin.token,
        readFileSync(join(house.dir, 'bootstrap', 'node.token'), 'utf8')
          .trim()
          .split('_')
          .at(3) ?? '',
      );

      // Every way a key may come in, the failing ones too.
      const gateway = house.nodes[0]?.url ?? '';
      for (const key of secrets.slice(0, 3)) {
        for (const [path, headers] of [
          ['/internal/gateway', { 'x-fluxgate-api-key': key }],
          [`/api/v2/reports?api_key=${key}`, {}],
          [`/api/v2/reports?api_key=${key}`, { 'x-fluxgate-api-key': key }],
          [`/internal/gateway?api_key=${key}`, {}],
          [`/${key}`, { referer: `http://x/?api_key=${key}` }],
          ['/internal/gateway', { authorization: `Bearer ${key}` }],
          ['/api/v2/payments', { cookie: `k=${key}` }],
        ] as [string, Record<string, string>][]) {
          await (await fetch(`${gateway}${path}`, { headers })).arrayBuffer();
        }
        await house.admin.call('GET', `/v1/keys/${key}`);
      }
      for (const name of ['by-cli', 'by-api']) await house.admin.revoke(name);
      await house.admin.call('POST', '/v1/keys', { name: secrets[0] });
      await new Promise((resolve) => setTimeout(resolve, 1500));

      const places: [string, string][] = [
        ['log of the control plane', house.controlPlane.output()],
        ['log of the node', house.nodes[0]?.process.output() ?? ''],
        ['audit log', JSON.stringify((await house.admin.call('GET', '/v1/audit?limit=500')).body)],
        ['revision log', JSON.stringify((await house.admin.call('GET', '/v1/revisions?limit=500')).body)],
        ['list of keys', JSON.stringify((await house.admin.call('GET', '/v1/keys?limit=500')).body)],
        ['list of secrets', JSON.stringify((await house.admin.call('GET', '/v1/secrets')).body)],
        ['metrics of the node', await (await fetch(`${house.nodes[0]?.statusUrl}/metrics`)).text()],
        ['metrics of the control plane', await (await fetch(`${house.adminUrl}/metrics`)).text()],
        ['process list', seen.join('\n')],
      ];
      if (database.query !== undefined) {
        const tables = (await database.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")) as {
          tablename: string;
        }[];
        expect(tables.length).toBeGreaterThan(10);
        for (const { tablename } of tables)
          places.push([
            `table ${tablename}`,
            JSON.stringify(await database.query(`SELECT t::text AS row FROM "${tablename}" t`)),
          ]);
      }
      await house.nodes[0]?.process.stop();
      await house.controlPlane.stop();
      for (const file of filesBelow(house.dir)) {
        // The two token files are where bootstrap tokens are handed over; the key file is the key itself.
        if (/\/(bootstrap\/.*\.token|kek)$/.test(file)) continue;
        places.push([file, readFileSync(file, 'latin1')]);
      }
      const found = places.flatMap(([place, text]) =>
        secrets.flatMap((secret, index) =>
          spellings(secret)
            .filter((spelling) => spelling.length > 8 && text.includes(spelling))
            .map(() => `${place}: secret ${index}`),
        ),
      );
      expect(found).toEqual([]);
    } finally {
      await house.stop();
      await upstream.close();
      await database.drop();
    }
  },
  120_000,
);

import { defaultPrefixes, VaultTransitSigner } from '@fluxgate/stores/secrets';
import { createNodeVerifier } from '../auth/node-identity.ts';
import type { Config } from '../config.ts';
import type { Door } from '../door.ts';
import { createApp } from '../http/app.ts';
import { createFailureLimit } from '../http/failures.ts';
import { createMetrics } from '../http/metrics.ts';
import { createTokenUse } from '../http/token-use.ts';
import { createHub } from '../hub/index.ts';
import { createIssuer, localSigners, type SignerFactory } from '../issuer/issuer.ts';
import { startJobs } from '../jobs/schedule.ts';
import type { Log } from '../log.ts';
import { handlers } from '../operations/index.ts';
import { createSecretsMonitor } from '../secrets/monitor.ts';
import type { Services } from '../services.ts';
import { bootstrap } from './bootstrap.ts';
import { listen } from './listen.ts';
import { DEFAULT_REALM, type Opened, open, openRealm } from './open.ts';

/** Where the issuer is when nobody named it: at the admin API, if that has one address. */
function issuerBase({ issuer, adminHost, tls }: Config, port: number | null): string | null {
  if (issuer.url !== null) return issuer.url;
  if (port === null || /^(0\.0\.0\.0|[:0]+)$/.test(adminHost)) return null;
  const host = adminHost.includes(':') ? `[${adminHost}]` : adminHost;
  return new URL(`${tls === null ? 'http' : 'https'}://${host}:${port}`).origin;
}

/** Transit in front where it is configured: new keys are made there, those of `local` sign until they are rotated out. */
function signersOf(
  { vault: settings }: Config,
  { db, kek, vault }: Opened,
  door: Door,
): readonly [SignerFactory, ...SignerFactory[]] {
  const local = localSigners(db, kek, door);
  const prefix = settings?.transitKey ?? null;
  if (vault === null || prefix === null) return [local];
  const random = (count: number) => door.randomBytes(count);
  return [(realm) => new VaultTransitSigner({ client: vault, realm, prefix, random }), local];
}

/** How long running requests may still take after SIGTERM. */
const DRAIN_MS = 8_000;

export interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

/** Opens, listens, starts the jobs. Everything that was opened is closed again when a later step fails. */
export async function serve(
  config: Config,
  {
    door,
    log,
    env,
    version,
  }: { readonly door: Door; readonly log: Log; readonly env: Services['env']; readonly version: string },
): Promise<Running> {
  const opened = await open(config, door, (why) => log.warn({ why }, 'a database connection broke'));
  const { db, kek, secretsOf, tokenDigest } = opened;
  const undo: (() => Promise<unknown>)[] = [() => db.close()];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await openRealm(opened, door, DEFAULT_REALM);
    const hub = createHub({
      db,
      kek,
      secretsOf,
      verifyNodeToken: createNodeVerifier(db.prisma, tokenDigest, door.nowMs),
      clock: door.nowMs,
      random: (count) => door.randomBytes(count),
      log,
    });
    const closeHub = (): Promise<void> => hub.close();
    undo.push(closeHub);
    const metrics = createMetrics(version, () => hub.connected);
    const secretsMonitor = createSecretsMonitor(secretsOf(DEFAULT_REALM), opened.vault, log, metrics.secretStore);
    void secretsMonitor.check().catch((error: unknown) => log.warn({ err: error }, 'the secret store could not be looked at'));
    let port: number | null = config.adminPort === 0 ? null : config.adminPort;
    const issuer = createIssuer(db, door, config.issuer, signersOf(config, opened, door), () => issuerBase(config, port));
    const services: Services = {
      db,
      secretsOf,
      prefixes: defaultPrefixes(config.secretsDir),
      env,
      secretsMonitor,
      nodes: hub,
      tokenDigest,
      issuer,
      door,
      log,
      metrics,
      version,
    };
    if (config.bootstrapDir !== null && (await bootstrap(opened, config.bootstrapDir, door))) {
      log.info({ dir: config.bootstrapDir }, 'made the first admin token and a node token');
    }
    let stopping = false;
    const app = createApp(services, {
      handlers,
      failures: createFailureLimit(),
      tokenUse: createTokenUse(services),
      validateResponses: false,
      stopping: () => stopping,
      secure: config.tls !== null,
    });
    const listening = await listen(app, config, (server) => hub.attach(server));
    port = listening.port;
    // Together: a server does not end while a node's socket is open, and the hub is the one who sends nodes away.
    undo.splice(undo.indexOf(closeHub), 1, () => Promise.all([listening.close(DRAIN_MS), hub.close()]));
    const jobs = startJobs(services);
    undo.push(() => jobs.stop());
    log.info({ host: config.adminHost, port: listening.port, database: db.engine, version }, 'the control plane is ready');
    return {
      port: listening.port,
      stop() {
        stopping = true;
        return close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

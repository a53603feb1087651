import { formatDuration, nextStep, retirableAtMs } from '@fluxgate/policy';
import type { IssuerStatus, RotatedIssuerKeys } from '@fluxgate/protocol/admin';
import { addressesOf } from '../issuer/addresses.ts';
import { type Issuer, isSignerOutage } from '../issuer/issuer.ts';
import { generateKey, type IssuerKey, type IssuerRing, lockRing, ringFacts, saveRing } from '../issuer/ring.ts';
import { forgetQuietly, needsKey, signsFromMs, type Turn, turn, type Urgency } from '../issuer/rotate.ts';
import { isProblem, type Problem, problem } from '../problem.ts';
import type { Services } from '../services.ts';
import type { Handler } from './call.ts';

const time = (ms: number): string => new Date(ms).toISOString();
const unavailable = (error: unknown): Problem =>
  problem(
    'signer_unavailable',
    `the signing keys cannot be reached: ${error instanceof Error ? error.message : 'unknown'}`,
    'check FLUXGATE_KEK_FILE, or Vault where it keeps the keys; nothing was changed',
  );

export function statusOf(issuer: Issuer, realm: string, ring: IssuerRing): IssuerStatus {
  const addresses = addressesOf(issuer, realm);
  const { current, next, previous } = ring;
  const until = retirableAtMs(ring, issuer.times);
  const view = (key: IssuerKey & { readonly publishedAtMs: number }, signsFrom: number) => ({
    kid: key.kid,
    algorithm: key.jwk.alg,
    signer: key.signer,
    publishedAt: time(key.publishedAtMs),
    signsFrom: time(signsFrom),
    stoppedAt: null,
    publishedUntil: null,
  });
  const due = nextStep(ring, issuer.times, issuer.rotateEveryMs);
  return {
    issuer: addresses?.issuer ?? null,
    tokenEndpoint: addresses?.token ?? null,
    jwksUri: addresses?.jwks ?? null,
    algorithm: issuer.algorithm,
    rotateEveryMs: issuer.rotateEveryMs,
    keys: [
      { ...view(current, current.signsSinceMs), state: 'current' },
      ...(next === undefined ? [] : [{ ...view(next, signsFromMs(ring, issuer.times)), state: 'next' as const }]),
      ...(previous === undefined
        ? []
        : [
            {
              ...view(previous, previous.signsSinceMs),
              state: 'previous' as const,
              stoppedAt: time(previous.stoppedAtMs),
              publishedUntil: until === null ? null : time(until),
            },
          ]),
    ],
    next: due === null ? null : { step: due.step, at: time(due.atMs) },
  };
}

async function ringOf({ issuer }: Services, realm: string): Promise<IssuerRing | Problem> {
  try {
    issuer.rings.changed(realm);
    const ring = await issuer.rings.of(realm);
    if (ring === null) throw new Error(`the realm ${realm} of this token is gone`);
    return ring;
  } catch (error) {
    if (isSignerOutage(error)) return unavailable(error);
    throw error;
  }
}

export const jwksIssuerStatus: Handler<'jwksIssuerStatus'> = async ({ realm }, services) => {
  const ring = await ringOf(services, realm);
  return isProblem(ring) ? ring : statusOf(services.issuer, realm, ring);
};

/** Stands in for a key that a dry run does not make. */
const imagined = (issuer: Issuer): IssuerKey => ({
  kid: '(new)',
  jwk: { kty: 'EC', crv: 'P-256', x: '', y: '', kid: '(new)', use: 'sig', alg: issuer.algorithm },
  signer: 'none',
});

/** One step by hand: publish a new key, or let the published one sign. The clockwork does the rest by itself. */
export const jwksRotate: Handler<'jwksRotate'> = async (call, services) => {
  const { realm, body, nowMs } = call;
  const { issuer } = services;
  const urgency: Urgency = body.compromised ? 'compromised' : body.now ? 'now' : 'planned';
  const seen = await ringOf(services, realm);
  if (isProblem(seen)) return seen;
  let fresh: IssuerKey | null = null;
  try {
    if (needsKey(seen, urgency)) fresh = call.dryRun ? imagined(issuer) : await generateKey(issuer, realm);
  } catch (error) {
    if (isSignerOutage(error)) return unavailable(error);
    throw error;
  }
  let before = seen;
  let taken: Turn | null = null;
  const done = await call
    .write<RotatedIssuerKeys>(async (tx) => {
      before = (await lockRing(tx, realm)) ?? seen;
      taken = turn(before, fresh, urgency, nowMs, issuer.times);
      const { ring, outcome } = taken;
      if (ring !== before) await saveRing(tx, realm, ring, nowMs);
      const audit = [{ target: `issuer/${realm}`, before: ringFacts(before), after: { ...ringFacts(ring), urgency } }];
      const value = { outcome, status: statusOf(issuer, realm, ring), warnings: warningsOf(taken, urgency, issuer) };
      return { value, records: [], audit: ring === before ? [] : audit };
    })
    .finally(() => issuer.rings.changed(realm));
  if (isProblem(done)) return done;
  if (!call.dryRun) await destroyUnused(services, realm, fresh, before, taken, urgency);
  return done.value;
};

/** Only after the commit: a rotation that was rolled back, or may have been, still needs its keys. The tidy job finds what stays behind. */
async function destroyUnused(
  services: Services,
  realm: string,
  fresh: IssuerKey | null,
  before: IssuerRing,
  taken: Turn | null,
  urgency: Urgency,
): Promise<void> {
  if (fresh !== null && taken?.ring.current.kid !== fresh.kid && taken?.ring.next?.kid !== fresh.kid)
    await forgetQuietly(services, realm, fresh.kid);
  if (taken?.outcome !== 'promoted') return;
  const gone = new Set(taken.dropped);
  if (urgency === 'compromised' && before.next !== undefined) gone.add(before.next.kid);
  for (const kid of gone) await forgetQuietly(services, realm, kid);
}

function warningsOf({ outcome, dropped }: Turn, urgency: Urgency, issuer: Issuer): string[] {
  if (outcome !== 'promoted' || urgency === 'planned') return [];
  const cache = formatDuration(issuer.jwksCacheMs);
  const known = `verifiers may hold a key set that is up to ${cache} old: those that do not ask again for an unknown key refuse new tokens until then`;
  if (urgency === 'compromised')
    return [
      'every token made so far ends: introspection refuses it now, verifiers as soon as they fetch the key set again',
      `verifiers go on believing the old key until their key set has been fetched again, at most ${cache}; nodes fetch it at once with: fluxctl jwks evict ISSUER`,
      known,
    ];
  return [
    known,
    ...dropped.map((kid) => `tokens signed by the older key ${kid} are refused from now on, though some have not ended`),
  ];
}

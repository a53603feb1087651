import { type CompiledCheck, compilePlan, type Plan } from '@fluxgate/policy';
import type { Node, VerifyReport } from '@fluxgate/protocol/admin';
import { SecretStoreUnavailable } from '@fluxgate/stores';
import { readPepperRing, SecretUnreadable } from '@fluxgate/stores/secrets';
import { vaultPathOf } from '../keys/pepper.ts';
import { readRealmConfig } from '../realm/config.ts';
import { type Explained, explainRequest } from '../realm/explain.ts';
import { authenticationOf } from '../realm/route-view.ts';
import type { Services } from '../services.ts';
import type { Handler } from './call.ts';

type Mode = 'report' | 'standard' | 'strict';
type Check = VerifyReport['checks'][number];
/** What a finding weighs in each mode; `report` only tells. */
interface Finding {
  readonly ok: boolean | 'not_run';
  readonly weight: 'fail' | 'warn';
  readonly detail: string;
  readonly remedy: string | null;
}

const good = (detail: string): Finding => ({ ok: true, weight: 'fail', detail, remedy: null });
const bad = (weight: Finding['weight'], detail: string, remedy: string): Finding => ({ ok: false, weight, detail, remedy });
const notRun = (detail: string): Finding => ({ ok: 'not_run', weight: 'warn', detail, remedy: null });

function graded(id: string, title: string, finding: Finding, mode: Mode): Check {
  const { ok, weight, detail, remedy } = finding;
  const status = ok === 'not_run' ? 'not_run' : ok ? 'pass' : mode === 'report' ? 'info' : mode === 'strict' ? 'fail' : weight;
  return { id, title, status, node: null, detail, remedy };
}

function parts(check: CompiledCheck): CompiledCheck[] {
  return check.kind === 'all' || check.kind === 'any' ? check.of.flatMap(parts) : [check];
}

function routeCheck(found: Explained): Finding {
  if (found.route !== null) return good(`${found.canonicalPath} belongs to the route ${found.route}; no other route claims it`);
  return bad(
    'fail',
    `no route answers: ${found.refusal?.detail ?? 'nothing matches'}`,
    'apply a route for this path; until then the gateway answers 404',
  );
}

function policyCheck({ compiled }: Explained): Finding {
  if (compiled === null) return notRun('there is no route to judge');
  if (!compiled.needsAuth || compiled.check === null)
    return bad(
      'fail',
      `the route ${compiled.name} is open (auth: none)`,
      'remove `auth: none`, so that the route inherits the global authentication',
    );
  if (compiled.refuses === 'not_enforceable')
    return good(`${authenticationOf(compiled)}, which this version does not enforce: every request is refused with 503`);
  return good(`${authenticationOf(compiled)} is required; there is no anonymous way through`);
}

/** Can credentials be judged at all? Keys of issuers are not fetched yet, and that is said rather than passed over. */
async function inputsCheck(services: Services, realm: string, plan: Plan, { compiled }: Explained): Promise<Finding> {
  if (compiled?.check == null) return notRun('there is no authentication to look at');
  const kinds = parts(compiled.check);
  const foreign = kinds.flatMap((check) => {
    if (check.kind === 'unenforceable') return [check.what];
    // Nodes hold the keys of issuers; how old those are is not told here.
    return check.kind === 'jwt' ? ['jwt'] : [];
  });
  if (foreign.length > 0) return notRun(`the keys and endpoints behind ${foreign.join(', ')} are not checked by this version`);
  if (!kinds.some(({ kind }) => kind === 'api_key')) return good('nothing outside the gateway is needed');
  const path = vaultPathOf(plan.apiKey);
  try {
    const ring = await readPepperRing(services.secretsOf(realm), path);
    if (ring === null)
      return bad('warn', `no pepper ring at ${path} yet: no key was ever made`, '`fluxctl keys generate` makes it');
    return good(`the pepper ring at ${path} opens (${ring.peppers.size} versions, current ${ring.current})`);
  } catch (error) {
    if (error instanceof SecretStoreUnavailable)
      return bad(
        'warn',
        `the secret store does not answer: ${error.message}; gateways go on with the ring they hold`,
        error.remedy,
      );
    if (!(error instanceof SecretUnreadable)) throw error;
    return bad('fail', error.message, 'restore the key-encryption key or the ring');
  }
}

function failModeCheck(plan: Plan, { compiled }: Explained): Finding {
  if (compiled?.check == null) return notRun('there is no authentication to look at');
  const soft = parts(compiled.check).some((check) => check.kind === 'rate_limit' && check.onAuthorityLoss === 'allow');
  if (plan.apiKey?.fallbackAction === 'last_known') {
    return bad(
      'warn',
      'fallback_action is last_known: without news a node judges by its last state, however old',
      'set fallback_action: "reject"',
    );
  }
  if (plan.apiKey?.onAuthorityLoss === 'allow' || soft)
    return bad('warn', 'a limit lets requests through when nobody can count them', 'set on_authority_loss: deny');
  return good('closed: when validation is impossible the gateway answers 503');
}

function nodesCheck(nodes: readonly Node[], revision: number): Finding {
  const live = nodes.filter(({ state }) => state !== 'offline');
  if (live.length === 0)
    return bad('warn', 'no node is connected, so nothing is known of what answers', 'start a gateway node, or check its token');
  const late = live.filter(({ state }) => state !== 'converged');
  if (late.length > 0) {
    const who = late.map(({ name, state, applied }) => `${name} (${state}, at ${applied})`).join(', ');
    return bad(
      'warn',
      `${live.length - late.length}/${live.length} nodes decide by revision ${revision}; not: ${who}`,
      '`fluxctl nodes status` shows why',
    );
  }
  return good(`${live.length}/${live.length} nodes decide by revision ${revision}`);
}

const probes: readonly (readonly [string, string])[] = [
  ['AV-06', 'a request without a credential is refused'],
  ['AV-07', 'malformed, mistyped, revoked and expired credentials are refused'],
  ['AV-08', 'a valid credential is accepted'],
  ['AV-09', 'TLS, header spoofing and path tricks'],
  ['AV-10', 'refused requests never reach the upstream'],
];

/**
 * What the control plane can say by itself. It sends nothing through the gateway: the checks that need a live request
 * are listed as not run, and in strict mode a check that did not run is a reason to fail.
 */
export const authVerify: Handler<'authVerify'> = async ({ realm, body }, services) => {
  const { mode } = body;
  const { revision } = await services.db.head(realm);
  const plan = compilePlan(await readRealmConfig(services.db.prisma, realm));
  const found = explainRequest(plan, body.method, body.endpoint, body.host);
  const checks = [
    graded('AV-01', 'a route matches, and only one', routeCheck(found), mode),
    graded('AV-02', 'authentication is required', policyCheck(found), mode),
    graded('AV-03', 'what authentication needs is healthy', await inputsCheck(services, realm, plan, found), mode),
    graded('AV-04', 'an outage closes the endpoint', failModeCheck(plan, found), mode),
    graded('AV-05', 'all nodes decide by the same revision', nodesCheck(await services.nodes.list(realm), revision), mode),
    ...probes.map(([id, title]) => graded(id, title, notRun('live probes are not part of this version'), mode)),
  ];
  const count = (...of: Check['status'][]): number => checks.filter(({ status }) => of.includes(status)).length;
  const summary = { pass: count('pass'), warn: count('warn', 'info'), fail: count('fail'), notRun: count('not_run') };
  const failed = mode === 'strict' ? summary.pass < checks.length : mode === 'standard' && summary.fail > 0;
  return { endpoint: body.endpoint, mode, result: failed ? 'fail' : 'pass', revision, checks, summary };
};

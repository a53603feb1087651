import { z } from 'zod';

/** Key sets of token issuers, as the nodes hold them. */

const time = z.iso.datetime().nullable();

export const JwksSet = z
  .object({
    issuer: z.string(),
    jwks_uri: z.string().nullable().meta({ description: 'null: the metadata of the issuer could not be read yet' }),
    state: z.enum(['fresh', 'stale', 'expired', 'empty']).meta({
      description: 'fresh: within cache_ttl · stale: older, still used · expired, empty: its tokens get 503 keys_unavailable',
    }),
    keys: z.array(z.object({ kid: z.string().nullable(), type: z.string(), alg: z.string().nullable() })),
    blocked: z.array(z.string()).meta({ description: 'Evicted by an operator; out until the issuer no longer publishes them' }),
    ignored: z.array(z.object({ kid: z.string().nullable(), why: z.string() })),
    fetched_at: time,
    next_fetch_at: time,
    usable_until: time,
    failures: z.number().int().meta({ description: 'Attempts that failed since the last that did not' }),
    trouble: z.string().nullable(),
  })
  .meta({ id: 'JwksSet' });
export type JwksSet = z.infer<typeof JwksSet>;

export const JwksOnNodes = z
  .object({
    items: z.array(
      z.object({
        node: z.string(),
        ok: z.boolean(),
        why: z.string().nullable().meta({ description: 'Why the node did not do it' }),
        sets: z.array(JwksSet),
      }),
    ),
    unreached: z
      .array(z.string())
      .meta({ description: 'Live nodes that this control plane cannot ask: they are connected to another replica' }),
  })
  .meta({ id: 'JwksOnNodes' });
export type JwksOnNodes = z.infer<typeof JwksOnNodes>;

const issuer = z.string().min(1).max(2048);
export const RefreshJwks = z.object({ issuer: issuer.nullable().default(null) }).strict();
export const EvictJwks = z
  .object({
    issuer,
    kid: z.string().max(512).nullable().default(null).meta({ description: 'null: the whole set, which is then fetched anew' }),
  })
  .strict();

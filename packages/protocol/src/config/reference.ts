import { API_KEY } from './blocks/api-key.ts';
import { FLUXGATE, GATEWAY, LISTENER } from './blocks/gateway.ts';
import { JWT, ROUTE_JWT } from './blocks/jwt.ts';
import { RATE_LIMIT, TIER } from './blocks/limits.ts';
import { MIDDLEWARE, ROUTE_API_KEY } from './blocks/middleware.ts';
import { OAUTH2, ROUTE_OAUTH2 } from './blocks/oauth2.ts';
import { ROUTE } from './blocks/route.ts';
import { UPSTREAM } from './blocks/upstream.ts';
import type { Field, Fields } from './schema.ts';

interface Section {
  readonly heading: string;
  readonly about: string;
  readonly fields: Fields;
  /** Fields that are the same there are named, not repeated. */
  readonly like?: { readonly heading: string; readonly fields: Fields };
}

const SECTIONS: readonly Section[] = [
  { heading: 'A gateway document', ...GATEWAY },
  { heading: '`fluxgate`', ...FLUXGATE },
  { heading: '`fluxgate.auth.api_key`', ...API_KEY },
  {
    heading: '`fluxgate.auth.jwt`',
    ...JWT,
    about: `${JWT.about} The fields from \`issuer\` on stand in \`validation\`, or directly here.`,
  },
  { heading: '`fluxgate.auth.oauth2`', ...OAUTH2 },
  { heading: '`listeners`, each', ...LISTENER },
  { heading: '`upstreams`, each', ...UPSTREAM },
  { heading: '`tiers`, each', ...TIER },
  { heading: 'A route document', ...ROUTE },
];

const MIDDLEWARE_SECTIONS: readonly Section[] = [
  { heading: 'Middleware `api_key`', ...ROUTE_API_KEY },
  { heading: 'Middleware `jwt`', ...ROUTE_JWT, like: { heading: '`fluxgate.auth.jwt`', fields: JWT.fields } },
  { heading: 'Middleware `oauth2`', ...ROUTE_OAUTH2, like: { heading: '`fluxgate.auth.oauth2`', fields: OAUTH2.fields } },
  { heading: 'Middleware `rate_limit`', ...RATE_LIMIT },
];

const UNITS = `Units: durations \`500ms\` \`60s\` \`5m\` \`24h\` \`90d\` \`12w\` \`6mo\` (30 days each) · rates \`100/s\` \`500/min\` \`5000/h\` \`50000/d\` · addresses in CIDR ·
secret references \`vault:PATH#FIELD\`, \`file:PATH\`, \`env:NAME\`. A field without its unit, an unknown field, a name given twice:
an error with file, line and column, and nothing is applied.`;

/** Every field of fluxgate.yaml as markdown tables, from the same schema that reads it. */
export function configReference(): string {
  const kinds = Object.entries(MIDDLEWARE).map(
    ([kind, one]) => `| \`${kind}\` | ${cell(one.about)} | \`${cell(one.example)}\` |`,
  );
  const middleware = [
    '### Middleware',
    '',
    'Entries of `middleware`, one kind each.',
    '',
    '| Kind | Passes when | Example |',
    '|---|---|---|',
    ...kinds,
  ].join('\n');
  return `${[UNITS, ...SECTIONS.map(section), middleware, ...MIDDLEWARE_SECTIONS.map(section)].join('\n\n')}\n`;
}

function section({ heading, about, fields, like }: Section): string {
  const known = new Set(like === undefined ? [] : rows(like.fields, ''));
  const own = rows(fields, '').filter((one) => !known.has(one));
  const table =
    own.length === 0 ? [] : ['', '| Field | Type | Default | What it does | Example |', '|---|---|---|---|---|', ...own];
  const missing = like === undefined ? [] : Object.keys(like.fields).filter((name) => !(name in fields));
  const same =
    like === undefined
      ? []
      : [
          `The fields of ${like.heading}${missing.length === 0 ? '' : ` but ${missing.map(code).join(', ')}`}${own.length === 0 ? '.' : ', with these differences:'}`,
        ];
  return [`### ${heading}`, '', [about, ...same].join(' '), ...table].join('\n');
}

function rows(fields: Fields, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) =>
    field.nested === null ? [row(`${prefix}${name}`, field)] : rows(field.nested, `${prefix}${name}.`),
  );
}

function row(name: string, field: Field<unknown>): string {
  const also = field.aliases.length === 0 ? '' : ` (also ${field.aliases.map((one) => `\`${one}\``).join(', ')})`;
  const usual = field.presence === 'required' ? 'required' : field.defaultText === null ? '–' : code(field.defaultText);
  return `| \`${name}\`${also} | ${cell(field.label)} | ${cell(usual)} | ${cell(field.about)} | ${cell(example(field))} |`;
}

/** Where no example is given, the default is one. */
const example = (field: Field<unknown>): string =>
  field.example !== null
    ? code(field.example)
    : field.presence === 'default' && field.defaultText !== null
      ? code(field.defaultText)
      : '';

/** Words stay words; values are set as code. */
const code = (text: string): string => (/`/.test(text) || /^(any|host|the) /.test(text) ? text : `\`${text}\``);
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

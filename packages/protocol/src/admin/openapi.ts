import { z } from 'zod';
import { examples } from './examples.ts';
import { type Operation, operations } from './operations.ts';
import { commonProblems, problemKinds } from './problems.ts';
import { Problem } from './resources.ts';

type Json = { [key: string]: unknown };

/** Header with which a POST may be repeated without being done twice. */
const idempotencyKey = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key with the same request gets the first answer again, without its secret; with another request it is refused.',
  schema: { type: 'string', minLength: 1, maxLength: 200 },
};
const realmHeader = {
  name: 'X-FluxGate-Realm',
  in: 'header',
  required: false,
  description: 'Refused unless it is the realm of the token: a guard against talking to the wrong one.',
  schema: { type: 'string' },
};

/** Collects named schemas under components, so that a shape is written once however often it is used. */
class Components {
  readonly schemas: Record<string, unknown> = {};

  reference(schema: z.ZodType, io: 'input' | 'output'): unknown {
    const { $schema: _, $defs, id: __, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json;
    const definitions = Object.entries(($defs ?? {}) as Record<string, Json>).map(([id, { id: _, ...content }]) => ({
      id,
      content,
    }));
    const asWritten = new Map(definitions.map(({ id }) => [id, id]));
    const named = new Map(definitions.map(({ id, content }) => [id, this.#free(id, this.#rewrite(content, asWritten), io)]));
    for (const { id, content } of definitions) this.#add(named.get(id) ?? id, this.#rewrite(content, named));
    const inline = this.#rewrite(root, named);
    const id = schema.meta()?.id;
    return id === undefined ? inline : this.#add(this.#free(id, inline, io), inline);
  }

  /** A shape that differs between answer and request (where defaults may be left out) has two names. */
  #free(id: string, content: unknown, io: 'input' | 'output'): string {
    const taken = this.schemas[id];
    return taken === undefined || JSON.stringify(taken) === JSON.stringify(content)
      ? id
      : `${id}${io === 'input' ? 'Input' : 'Output'}`;
  }

  #add(name: string, content: unknown): Json {
    this.schemas[name] = content;
    return { $ref: `#/components/schemas/${name}` };
  }

  #rewrite(value: unknown, named: ReadonlyMap<string, string>): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#rewrite(item, named));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        const id = key === '$ref' && typeof item === 'string' ? /^#\/\$defs\/(.+)$/.exec(item)?.[1] : undefined;
        return [key, id === undefined ? this.#rewrite(item, named) : `#/components/schemas/${named.get(id) ?? id}`];
      }),
    );
  }
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties, required } = z.toJSONSchema(query, { io: 'input', unrepresentable: 'any' }) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).map(([name, { description, example, ...schema }]) => ({
    name,
    in: 'query',
    required: required?.includes(name) ?? false,
    ...(description === undefined ? {} : { description }),
    ...(example === undefined ? {} : { example }),
    schema,
  }));
}

/** One answer for each status; the codes it may carry are listed, since several share a status. */
function problemResponses(operation: Operation): Record<string, unknown> {
  const byStatus = new Map<number, string[]>();
  for (const code of [...Object.keys(commonProblems), ...operation.problems]) {
    const { status } = problemKinds[code as keyof typeof problemKinds];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${problemKinds[code as keyof typeof problemKinds].title}.`).join(' '),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        'x-problem-codes': codes,
      },
    ]),
  );
}

function describe(operation: Operation, components: Components): Json {
  const example = examples[operation.id];
  const path = [...operation.path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  return {
    operationId: operation.id,
    summary: operation.summary,
    description: `Roles: ${operation.roles.join(', ')}.`,
    tags: [operation.path.split('/')[2]],
    'x-roles': operation.roles,
    parameters: [
      ...path,
      ...(operation.query === null ? [] : queryParameters(operation.query)),
      realmHeader,
      ...(operation.method === 'POST' ? [idempotencyKey] : []),
    ],
    ...(operation.body === null
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: components.reference(operation.body, 'input'),
                ...(example?.request === undefined ? {} : { example: example.request }),
              },
            },
          },
        }),
    responses: {
      [String(operation.status)]: {
        description: operation.summary,
        headers: {
          'X-Request-Id': { description: 'Names this request in the logs and in the audit log', schema: { type: 'string' } },
        },
        content: { 'application/json': { schema: components.reference(operation.response, 'output') } },
      },
      ...problemResponses(operation),
    },
  };
}

/** The Admin API as an OpenAPI 3.1 document, made from the table of operations; nothing in it is written by hand. */
export function openApiDocument(version: string): Json {
  const components = new Components();
  components.reference(Problem, 'output');
  const paths: Record<string, Record<string, unknown>> = {};
  const table = Object.values(operations) as Operation[];
  for (const { response } of table) components.reference(response, 'output');
  for (const operation of table) {
    paths[operation.path] = { ...paths[operation.path], [operation.method.toLowerCase()]: describe(operation, components) };
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'FluxGate Admin API',
      version,
      description:
        'Writes answer with the revision they made. Times are RFC 3339 in UTC, durations are milliseconds. Problems are RFC 9457 documents with a stable `code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An admin token, `fga_<realm>_…`, bound to a realm and a role' },
      },
      schemas: components.schemas,
    },
  };
}

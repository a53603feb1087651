import type { ResponseOf } from '@fluxgate/protocol/admin';
import { command, type Needs } from '../../command.ts';
import { usage } from '../../failure.ts';
import { done, none } from '../../outcome.ts';

interface Options {
  readonly path: string;
  readonly field: string;
  readonly from: { readonly kind: 'stdin' } | { readonly kind: 'file'; readonly path: string } | { readonly kind: 'prompt' };
}

export const set = command<Options, ResponseOf<'secretsSet'>, Pick<Needs, 'admin' | 'files' | 'prompt' | 'mask'>>({
  options: (read) => {
    const given = read.args[0] ?? '';
    const found = /^(?:vault:)?([^#\s]+)#([^#\s]+)$/.exec(given);
    if (!found) throw usage(`${given} does not name a path and a field`, { hint: 'Write e.g. secret/data/oauth2#client_secret' });
    const file = read.text('from-file');
    if (file !== undefined && read.on('from-stdin')) read.wrong('from-file', 'contradicts --from-stdin');
    const from: Options['from'] = read.on('from-stdin')
      ? { kind: 'stdin' }
      : file !== undefined
        ? { kind: 'file', path: file }
        : { kind: 'prompt' };
    return { path: found[1]!, field: found[2]!, from };
  },
  run: async ({ path, field, from }, { admin, files, prompt, mask }) => {
    let value: string;
    if (from.kind === 'stdin') value = (await files.readStdin()).replace(/\r?\n$/, '');
    else if (from.kind === 'file') value = await files.readText(from.path);
    else if (prompt.interactive) value = await prompt.password(`Value of ${path}#${field}`);
    else
      throw usage('the value is missing', {
        code: 'missing_input',
        hint: `printf %s "$VALUE" | fluxctl secrets set '${path}#${field}' --from-stdin`,
      });
    if (value === '') throw usage('the value is empty; nothing was written');
    for (const line of value.split('\n')) if (line.trim() !== '') await mask(line);
    return admin.call('secretsSet', { body: { path, field, value } });
  },
  show: ({ entry }) => ({
    view: none,
    names: [`${entry.path}#${entry.field}`],
    before: [done(`${entry.path}#${entry.field} written, version ${entry.version}`)],
  }),
});

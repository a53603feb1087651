import type { Context } from '../../local/store.ts';

/** A context as it is shown: where its token is, never the token. */
export interface ContextView {
  readonly name: string;
  readonly current: boolean;
  readonly server: string;
  readonly realm: string | null;
  readonly token: 'none' | 'stored' | 'file';
  readonly tokenFile: string | null;
}
export const viewOf = (name: string, context: Context, current: string | null): ContextView => ({
  name,
  current: name === current,
  server: context.server,
  realm: context.realm,
  token: context.credential === null ? 'none' : context.credential.token !== null ? 'stored' : 'file',
  tokenFile: context.credential?.tokenFile ?? null,
});

import type { ConfigResult, IssuedKey, Key, KeyUsage, RotatedKey, Rotation } from '@fluxgate/protocol/admin';

export interface AdminAnswer<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
}

/** The admin API as a test speaks it: any path, any body, the answer as it came. */
export class Admin {
  readonly url: string;
  readonly token: string;

  constructor(url: string, token: string) {
    this.url = url;
    this.token = token;
  }

  async call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<AdminAnswer<T>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      signal: AbortSignal.timeout(30_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? null : JSON.parse(text)) as T };
  }

  async #must<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.call<T>(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  apply(text: string): Promise<ConfigResult> {
    return this.#must('POST', '/v1/config/apply?wait=converged&timeout=10s', { files: [{ name: 'fluxgate.yaml', text }] });
  }
  generate(body: Record<string, unknown>): Promise<IssuedKey> {
    return this.#must('POST', '/v1/keys?wait=converged&timeout=10s', body);
  }
  rotate(key: string, body: Record<string, unknown> = {}): Promise<RotatedKey> {
    return this.#must('POST', `/v1/keys/${key}/rotate?wait=converged&timeout=10s`, body);
  }
  finish(rotation: string): Promise<{ rotation: Rotation; revision: number }> {
    return this.#must('POST', `/v1/rotations/${rotation}/finish?wait=converged&timeout=10s`, { force: true });
  }
  revoke(key: string, wait = true): Promise<{ key: Key; revision: number }> {
    return this.#must('POST', `/v1/keys/${key}/revoke${wait ? '?wait=converged&timeout=10s' : ''}`, {});
  }
  usage(key: string): Promise<KeyUsage> {
    return this.#must('GET', `/v1/keys/${key}/usage`);
  }
}

import type { MessagePort } from 'node:worker_threads';
import type { TokenProvider } from '@fluxgate/policy';
import { runCommand } from './commands.ts';
import { KeySets, type KeySetsParts } from './keySets.ts';
import type { FromServices, FromTokenWorker, KeysMessage, ToServices, ToTokenWorker } from './messages.ts';

export interface ServicesParts extends Omit<KeySetsParts, 'publish' | 'log'> {
  readonly tell: (message: FromServices) => void;
  readonly every: (ms: number, run: () => void) => { unref(): void };
}

const COUNTS_EVERY_MS = 5000;

interface Member {
  readonly port: MessagePort;
  providers: readonly TokenProvider[];
}

/** The thread that talks to issuers, so that no request worker ever does. Returns what takes main's messages. */
export function runServices(parts: ServicesParts): (message: ToServices) => void {
  const members = new Map<number, Member>();
  const sets = new KeySets({
    ...parts,
    publish: (message) => {
      for (const member of members.values()) sendTo(member, message);
    },
    log: (level, event, fields) => parts.tell({ t: 'log', level, event, fields }),
  });

  function sendTo(member: Member, message: KeysMessage): void {
    if (member.providers.some((one) => one.id === message.provider)) member.port.postMessage(message satisfies ToTokenWorker);
  }

  /** Workers swap plans one after the other: what any of them names is held. */
  function reconcile(): void {
    const all = new Map<string, TokenProvider>();
    for (const { providers } of members.values()) {
      for (const one of providers) {
        const known = all.get(one.id);
        if (known === undefined || one.cacheTtlMs < known.cacheTtlMs) all.set(one.id, one);
      }
    }
    sets.setProviders([...all.values()]);
  }

  function hear(member: Member, message: FromTokenWorker): void {
    if (message.t === 'providers') {
      member.providers = message.providers;
      reconcile();
      for (const one of sets.published()) sendTo(member, one);
      return;
    }
    const { id, provider, kid } = message;
    void sets.want(provider, kid).then(() => {
      member.port.postMessage({
        t: 'want-answer',
        id,
        provider,
        coolUntilMs: sets.askableAtMs(provider),
      } satisfies ToTokenWorker);
    });
  }

  function leave(worker: number, port: MessagePort | null): void {
    const member = members.get(worker);
    if (member === undefined || (port !== null && member.port !== port)) return;
    members.delete(worker);
    member.port.close();
    // Its successor names the same providers in a moment: sets are let go only when a plan without them arrives.
    if (members.size > 0) reconcile();
  }

  parts.every(COUNTS_EVERY_MS, () => parts.tell({ t: 'key-sets', sets: sets.counts() })).unref();

  return (message) => {
    switch (message.t) {
      case 'worker-joined': {
        const { worker, port } = message;
        leave(worker, null);
        const member: Member = { port, providers: [] };
        members.set(worker, member);
        port.on('message', (heard: FromTokenWorker) => hear(member, heard));
        port.on('close', () => leave(worker, port));
        break;
      }
      case 'worker-left':
        leave(message.worker, null);
        break;
      case 'command':
        void runCommand(sets, message.name, message.args).then((result) =>
          parts.tell({ t: 'command-result', id: message.id, ...result }),
        );
    }
  };
}

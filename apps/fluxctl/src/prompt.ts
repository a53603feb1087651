import { interrupted, usage } from './failure.ts';
import type { Host } from './host.ts';
import { isMachine, type Settings } from './settings.ts';

/** Questions, on stderr. Each has a flag that answers it, and none is asked where nobody can answer. */
export interface Prompt {
  readonly interactive: boolean;
  /** Yes goes on; no ends the command with 130. Where nobody can be asked, --yes is required. */
  confirm(question: string): Promise<void>;
  password(label: string): Promise<string>;
  text(label: string): Promise<string>;
}

export function promptOf(host: Host, settings: Settings): Prompt {
  const interactive = !settings.noInput && !isMachine(settings) && host.stderr.isTTY === true && host.stdin.isTTY === true;
  const context = () => ({ input: host.stdin, output: host.stderr, signal: host.signal, clearPromptOnDone: false });
  const asked = async <T>(question: Promise<T>): Promise<T> => {
    try {
      return await question;
    } catch (error) {
      if (error instanceof Error && /^(ExitPromptError|AbortPromptError|AbortError)$/.test(error.name))
        throw interrupted('interrupted; nothing changed');
      throw error;
    }
  };
  return {
    interactive,
    confirm: async (question) => {
      if (settings.yes) return;
      if (!interactive)
        throw usage('this needs a confirmation, and nobody can be asked', {
          code: 'confirmation_required',
          field: '--yes',
          why: question,
          hint: 'If that is meant: add --yes',
        });
      const { default: confirm } = await import('@inquirer/confirm');
      if (!(await asked(confirm({ message: question, default: false }, context()))))
        throw interrupted('declined; nothing changed', { code: 'declined' });
    },
    password: async (label) => {
      const { default: password } = await import('@inquirer/password');
      return asked(password({ message: label, mask: false }, context()));
    },
    text: async (label) => {
      const { createInterface } = await import('node:readline/promises');
      const lines = createInterface({ input: host.stdin, output: host.stderr });
      try {
        return (await asked(lines.question(`${label}: `, { signal: host.signal }))).trim();
      } finally {
        lines.close();
      }
    },
  };
}

import { command } from '../../command.ts';
import { completionScript, SHELLS } from '../../completion/index.ts';
import { usage } from '../../failure.ts';
import { raw } from '../../outcome.ts';
import { didYouMean } from '../../suggest.ts';

export const completion = command<{ shell: string }, { shell: string; script: string }, Record<never, never>>({
  options: (read) => {
    const shell = read.args[0] ?? '';
    if (!SHELLS.includes(shell))
      throw usage(`no completion for ${shell}`, { hint: didYouMean(shell, SHELLS) ?? `One of ${SHELLS.join(', ')}` });
    return { shell };
  },
  run: ({ shell }) => Promise.resolve({ shell, script: completionScript(shell) }),
  show: ({ shell, script }) => ({ view: raw(script), names: [shell] }),
});

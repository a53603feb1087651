import { bashScript } from './bash.ts';
import { fishScript } from './fish.ts';
import { powershellScript } from './powershell.ts';
import { zshScript } from './zsh.ts';

export { SHELLS } from './model.ts';

const SCRIPTS: Readonly<Record<string, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
  powershell: powershellScript,
};

/** The script of one of `SHELLS`. */
export function completionScript(shell: string): string {
  const make = SCRIPTS[shell];
  if (make === undefined) throw new RangeError(`no completion for ${shell}`);
  return make();
}

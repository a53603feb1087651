import type { FailureDetails } from '../failure.ts';
import { type Line, plain } from '../outcome.ts';

/** For people: what failed · why · what to type next · request id. */
export function failureLines(details: FailureDetails): Line[] {
  const lines: Line[] = [plain(`error: ${details.message}`)];
  const more = (text: string | null | undefined): void => {
    if (text !== null && text !== undefined && text !== '') for (const line of text.split('\n')) lines.push(plain(`  ${line}`));
  };
  more(details.why);
  for (const detail of details.details ?? []) more(detail);
  more(details.hint);
  if (details.requestId) more(`request ${details.requestId}`);
  return lines;
}

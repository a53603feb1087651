/**
 * Writes revisions and takes leases until it is killed: `crash-writer.ts <url>`. Prints one line for each thing that was acknowledged
 * to it, before it does the next. Run by the crash tests as a process of its own.
 */
import { writeSync } from 'node:fs';
import { openDatabase } from '../postgres/database.ts';
import { tester } from './rows.ts';
import { sampleCodec } from './sample-codec.ts';

const url = process.argv[2];
if (url === undefined) throw new Error('usage: crash-writer.ts <url>');
const db = await openDatabase({ url, codec: sampleCodec, clock: Date.now });

async function writer(name: string): Promise<never> {
  for (let turn = 0; ; turn++) {
    const payload = Buffer.from(`${process.pid} ${turn}`);
    const { revision } = await db.write('crash', tester, async () => ({
      value: null,
      records: [{ op: 'put', kind: 4, id: `${name}-${turn % 5}`, payload }],
      summary: [],
      audit: [{ action: 'crash', target: name }],
    }));
    writeSync(1, `revision ${revision}\n`);
  }
}
async function spender(): Promise<never> {
  for (;;) {
    const lease = await db.leases.grant({
      realm: 'crash',
      holder: String(process.pid),
      subject: { kind: 'budget', kid: 'crashkey0001' },
      want: 3,
      activeNodes: 1,
    });
    writeSync(1, `granted ${lease.granted}\n`);
    if (lease.exhausted) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
await Promise.all([writer('a'), writer('b'), spender()]);

/** `node privileges.fixture.ts PORT WORD…`: confines itself and tells, one line of JSON each, how it began and what became of it. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { PersonError } from '@postern/terminal';
import { confine } from './privileges.ts';

function tell(what: string, more: object): void {
  process.stdout.write(`${JSON.stringify({ what, pid: process.pid, ...more })}\n`);
}

const [port, ...words] = process.argv.slice(2);
tell('begun', {});
try {
  confine(Number(port));
  const status = readFileSync('/proc/self/status', 'utf8');
  const sets: Record<string, string> = {};
  for (const [, name = '', value = ''] of status.matchAll(/^(Cap\w+|Uid):\s*(.*)$/gm)) sets[name] = value;
  tell('confined', { sets, words, home: process.env['HOME'] });
} catch (error) {
  if (!(error instanceof PersonError)) throw error;
  tell('refused', { message: error.message, hint: error.hint });
}

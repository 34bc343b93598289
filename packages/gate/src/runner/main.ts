/** The runner of commands: a process that hears nobody but the monitor, reads no packet, holds no key, and opens nothing by itself. */
import process from 'node:process';
import { createInterface } from 'node:readline';
import { type CommandOrder, MOST_RUNNING } from '../line/command-line.ts';
import { runCommand } from './run-command.ts';

const waiting: CommandOrder[] = [];
let running = 0;

function next(): void {
  while (running < MOST_RUNNING) {
    const order = waiting.shift();
    if (order === undefined) return;
    running++;
    void runCommand(order).then((report) => {
      running--;
      process.stdout.write(`${JSON.stringify(report)}\n`);
      next();
    });
  }
}

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  waiting.push(JSON.parse(line) as CommandOrder);
  next();
});
// The monitor is gone: so are its commands, by their parent-death signal.
orders.once('close', () => {
  process.exit();
});

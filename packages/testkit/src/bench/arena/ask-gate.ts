/** Asks a daemon by its admin socket, without a process for each question. */
import { connect } from 'node:net';
import { join } from 'node:path';
import type { GateFiles } from '../../gate-process.ts';

/** Its value, and milliseconds from question to answer. Throws with the daemon's words when it refuses. */
export function askGate(
  gate: GateFiles,
  command: string,
  values: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly value: unknown; readonly milliseconds: number }> {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    let text = '';
    const socket = connect(join(gate.runtime, 'posternd.sock'));
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.once('error', reject);
    socket.once('connect', () => socket.write(`${JSON.stringify({ command, arguments: values })}\n`));
    socket.once('close', () => {
      const last = text.trim().split('\n').at(-1) ?? '';
      const reply = JSON.parse(last === '' ? '{}' : last) as { ok?: boolean; value?: unknown };
      if (reply.ok === true) resolve({ value: reply.value, milliseconds: performance.now() - begun });
      else reject(new Error(`${command}: ${last}`));
    });
  });
}

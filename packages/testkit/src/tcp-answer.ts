/** Whether a TCP port answers, asked by a real connection in the network namespace that this thread is in. */
import { connect } from 'node:net';

/** A connection to try. */
export interface Attempt {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
}

/** The first of an event, at most `wait` milliseconds later; undefined when the connection comes to nothing. */
function first(attempt: Attempt, wait: number, event: 'connect' | 'data'): Promise<string | undefined> {
  const socket = connect(attempt);
  return new Promise((resolve) => {
    const done = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => {
      done(undefined);
    }, wait);
    socket.once(event, (chunk?: Buffer) => {
      done(chunk?.toString() ?? '');
    });
    socket.once('error', () => {
      done(undefined);
    });
  });
}

/** Whether it is accepted within `wait` milliseconds. */
export async function tcpAnswers(attempt: Attempt, wait: number): Promise<boolean> {
  return (await first(attempt, wait, 'connect')) !== undefined;
}

/** What the service says first; undefined when that takes more than `wait` milliseconds. */
export function tcpBanner(attempt: Attempt, wait: number): Promise<string | undefined> {
  return first(attempt, wait, 'data');
}

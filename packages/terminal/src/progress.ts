import type { Io } from './io.ts';

/**
 * Waits for `work`. Where that takes longer than a second, a line on the terminal says for what and how long, and goes again; on what is no
 * terminal nothing is shown.
 */
export async function whileWaiting<T>(io: Pick<Io, 'passing'>, what: string, work: Promise<T>): Promise<T> {
  let seconds = 0;
  const timer = setInterval(() => {
    seconds++;
    io.passing?.(`${what} … ${seconds} s`);
  }, 1_000);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (seconds > 0) io.passing?.('');
  }
}

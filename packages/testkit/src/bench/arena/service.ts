/** The service that knocks open: accepts and hangs up. */
import { createServer } from 'node:net';
import { inNamespace } from '../../in-namespace.ts';
import type { Namespace } from '../../namespace.ts';
import { SERVICE_PORT } from './contender.ts';

/** Listens in a namespace; stops with its disposal. */
export async function startService(namespace: Namespace): Promise<Disposable> {
  const server = createServer((socket) => socket.destroy());
  await inNamespace(namespace, () => new Promise<void>((done) => server.listen(SERVICE_PORT, '0.0.0.0', done)));
  return { [Symbol.dispose]: () => void server.close() };
}

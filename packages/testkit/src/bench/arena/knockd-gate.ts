/** A knockd with one door before a world of many addresses, as its manual sets it up. */
import { Knockd } from '../../knockd.ts';
import { Namespace } from '../../namespace.ts';
import { SERVICE_PORT, type Contender } from './contender.ts';
import { startService } from './service.ts';
import { joinWorld, serverIn, sourceIn } from './sources.ts';

const SEQUENCE = [7000, 8000, 9000] as const;
const DROP = ['INPUT', '-p', 'tcp', '--dport', String(SERVICE_PORT), '-j', 'DROP'] as const;

/** Starts it; a contender that ends with `stack`. */
export async function startKnockd(
  stack: AsyncDisposableStack,
  world: Namespace,
  network: string,
  sources: number,
): Promise<Contender> {
  const namespace = stack.use(new Namespace('knockd'));
  const device = joinWorld(namespace, world, network, sources);
  stack.use(await startService(namespace));
  namespace.run('iptables', ['-A', ...DROP]);
  const command = `/usr/sbin/iptables -I INPUT -s %IP% -p tcp --dport ${String(SERVICE_PORT)} -j ACCEPT`;
  const door = `[open]\n\tsequence = ${SEQUENCE.join()}\n\tseq_timeout = 5\n\ttcpflags = syn\n\tcommand = ${command}\n`;
  const begin = (): Promise<Knockd> => Knockd.start(namespace, device, door, { quiet: true });
  let knockd = await begin();
  const daemon = {
    stop: () => knockd[Symbol.asyncDispose](),
    async start(): Promise<void> {
      knockd = await begin();
    },
  };
  stack.defer(() => daemon.stop());
  const gate = serverIn(network);
  return {
    name: 'knockd',
    gate,
    network,
    looks: 0,
    knock: (index) => ({
      from: sourceIn(network, index),
      gate,
      way: SEQUENCE.map((port) => ({ protocol: 'syn', port })),
      rest: 0,
    }),
    cpu: () => knockd.cpu(),
    memory: () => knockd.memory(),
    close: () => {
      namespace.run('iptables', ['-F', 'INPUT']);
      namespace.run('iptables', ['-A', ...DROP]);
    },
    daemon,
  };
}

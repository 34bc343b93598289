/** Debian's knockd and `knock`, with the sequence of the example in Debian's own knockd.conf. */
import { KNOCK, Knockd } from '../../knockd.ts';
import { Arena, GATE, GRANT_SECONDS, SERVICE_PORT } from './arena.ts';
import { hideByIptables, type Contestant } from './contestant.ts';

/** Its ports, all SYNs, all within five seconds. */
export const SEQUENCE = [7000, 8000, 9000] as const;

/** Debian's file opens for good; this is the manual's example for both families, which closes again. */
const DOOR = `[openSSH]
	sequence = ${SEQUENCE.join()}
	seq_timeout = 5
	tcpflags = syn
	start_command = iptables -I INPUT -s %IP% -p tcp --dport ${String(SERVICE_PORT)} -j ACCEPT
	start_command_6 = ip6tables -I INPUT -s %IP% -p tcp --dport ${String(SERVICE_PORT)} -j ACCEPT
	cmd_timeout = ${String(GRANT_SECONDS)}
	stop_command = iptables -D INPUT -s %IP% -p tcp --dport ${String(SERVICE_PORT)} -j ACCEPT
	stop_command_6 = ip6tables -D INPUT -s %IP% -p tcp --dport ${String(SERVICE_PORT)} -j ACCEPT
`;

/** Starts it in an arena of its own. */
export async function startKnockd(): Promise<Contestant> {
  await using stack = new AsyncDisposableStack();
  const arena = stack.use(await Arena.build());
  hideByIptables(arena, SERVICE_PORT);
  stack.use(await Knockd.start(arena.gateSide, arena.wire.here, DOOR));
  const { out } = await arena.run(KNOCK, ['-V']);
  const started = stack.move();
  return {
    version: `knockd ${/\d[\d.]*/.exec(out)?.[0] ?? ''}`,
    arena,
    junk: 'syn',
    knock: async (from) => {
      const host = from.includes(':') ? GATE[6] : GATE[4];
      return (await arena.run(KNOCK, [host, ...SEQUENCE.map(String)])).code === 0;
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

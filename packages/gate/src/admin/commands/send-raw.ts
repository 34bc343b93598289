import process from 'node:process';
import { EXIT, PersonError, type Command } from '@postern/terminal';

/** `posternd send-raw`, which `postern fwknop -P tcpraw` and its like run: Node has no raw sockets. */
export const sendRaw: Command = {
  name: 'send-raw',
  summary: 'send one packet by a raw socket, as JSON on standard input says',
  hidden: true,
  description: [
    'For `postern fwknop -P udpraw`, `tcpraw` and `icmp`; needs root. The object has `transport`, `to` and `payload`, and may have `source`, `port`, `sourcePort`, `icmpType` and `icmpCode`.',
  ],
  examples: [{ line: `posternd send-raw < order.json`, does: 'sends it' }],
  run: async () => {
    const [{ readRawOrder }, { sendRawOrder }] = await Promise.all([
      import('../raw-order.ts'),
      import('../send-raw-order.ts'),
    ]);
    let text = '';
    for await (const chunk of process.stdin.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > 8_192) break;
    }
    const order = readRawOrder(text);
    if (!order.ok) {
      throw new PersonError(`not an order to send: ${order.reason}`, {
        hint: '`postern fwknop` writes it',
        exitCode: EXIT.usage,
      });
    }
    const trouble = await sendRawOrder(order.value);
    if (trouble === undefined) return EXIT.ok;
    throw new PersonError(`the kernel said ${trouble}`, {
      hint: trouble === 'EPERM' || trouble === 'EACCES' ? 'raw sockets are for root (CAP_NET_RAW)' : undefined,
      exitCode: EXIT.failed,
    });
  },
};

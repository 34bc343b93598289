import type { Command } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT, wholeNumber } from '../options.ts';
import { DELIVERY } from '../deliver-invite.ts';
import { EXPIRES, INVITE_PARAGRAPH, inviting } from './invite.ts';

/** `posternd user add`. */
export const userAdd: Command = {
  name: 'user add',
  summary: 'add a user and print an invite for the first device',
  description: [
    'Writes the user into `users.d/NAME.toml`, where everything about a user can be changed by hand.',
    INVITE_PARAGRAPH,
  ],
  arguments: [{ name: 'name', help: 'letters, digits, dots, underscores, hyphens; at most 64' }],
  options: [
    { name: 'service', value: 'NAME', help: 'a service that the user may open; all if none is given', multiple: true },
    EXPIRES,
    ...DELIVERY,
    JSON_OUTPUT,
    CONFIG,
  ],
  examples: [
    { line: 'posternd user add ada', does: 'adds Ada, who may open every service' },
    {
      line: 'posternd user add bob --service ssh --expires 2 --file bob.invite',
      does: 'keeps an invite of two hours in a file',
    },
  ],
  run: inviting('user.add', (parsed) => ({
    name: parsed.arguments['name'] ?? '',
    services: parsed.lists['service'],
    expiresHours: wholeNumber(parsed, 'expires', 1, 8_760),
  })),
};

import { EXIT, type Command, type Option, type Parsed } from '@postern/terminal';
import { DELIVERY, openDelivery } from '../deliver-invite.ts';
import { CONFIG, JSON_OUTPUT, wholeNumber } from '../options.ts';
import type { AdminArguments } from '../protocol.ts';
import { askDaemon } from '../remote.ts';

/** `--expires`, of the commands that make invites. */
export const EXPIRES: Option = {
  name: 'expires',
  value: 'HOURS',
  help: 'how long the invite can be used; 24 hours if not given',
};

/** What an invite is, for the commands that make one. */
export const INVITE_PARAGRAPH =
  'The invite is one line on standard output. It lets one device join, once, and cannot be shown again: hand it over as you would a password. What to do with it is said on standard error.';

/** The `run` of a command that makes an invite: the invite leaves in the way that was asked for. */
export function inviting<C extends 'invite' | 'user.add'>(
  command: C,
  argumentsOf: (parsed: Parsed) => AdminArguments<C>,
): Command['run'] {
  return async (parsed, io) => {
    const args = argumentsOf(parsed);
    using delivery = openDelivery(parsed);
    await delivery.deliver(await askDaemon(parsed, io, command, args), io);
    return EXIT.ok;
  };
}

/** `posternd invite`. */
export const invite: Command = {
  name: 'invite',
  summary: 'print an invite for another device of a user',
  description: [INVITE_PARAGRAPH],
  arguments: [{ name: 'name', help: 'the user' }],
  options: [EXPIRES, ...DELIVERY, JSON_OUTPUT, CONFIG],
  examples: [
    { line: 'posternd invite ada', does: "lets Ada's second laptop join, too" },
    { line: 'posternd invite ada --qr', does: 'shows a code for a camera' },
    { line: 'posternd invite ada --file ada.invite', does: 'writes the invite into a file of mode 0600' },
  ],
  run: inviting('invite', (parsed) => ({
    name: parsed.arguments['name'] ?? '',
    expiresHours: wholeNumber(parsed, 'expires', 1, 8_760),
  })),
};

import type { Command, Io, Option } from '@postern/terminal';
import { CONFIG, JSON_OUTPUT, wholeNumber } from '../options.ts';
import type { InviteValue } from '../protocol.ts';
import { remote } from '../remote.ts';
import { showTime } from '../wording.ts';

/** `--expires`, of the commands that make invites. */
export const EXPIRES: Option = {
  name: 'expires',
  value: 'HOURS',
  help: 'how long the invite can be used; 24 hours if not given',
};

/** What an invite is, for the commands that make one. */
export const INVITE_PARAGRAPH =
  'The invite is one line on standard output. It lets one device join, once, and cannot be shown again: hand it over as you would a password. What to do with it is said on standard error.';

/** Shows an invite: the line itself on standard output, all else on standard error, so that it can be piped on. */
export function showInvite(value: InviteValue, io: Io): void {
  io.out(value.invite);
  io.err('');
  io.err(`This invites one device of ${value.user}, until ${showTime(value.expires)}. On that device:`);
  io.err('  postern join INVITE');
  if (value.services.length === 0) io.err(`${value.user} may open no service yet.`);
  else io.err(`It may then open: ${value.services.join(', ')}.`);
}

/** `posternd invite`. */
export const invite: Command = {
  name: 'invite',
  summary: 'print an invite for another device of a user',
  description: [INVITE_PARAGRAPH],
  arguments: [{ name: 'name', help: 'the user' }],
  options: [EXPIRES, JSON_OUTPUT, CONFIG],
  examples: [{ line: 'posternd invite ada', does: "lets Ada's phone join, too" }],
  run: remote({
    command: 'invite',
    arguments: (parsed) => ({
      name: parsed.arguments['name'] ?? '',
      expiresHours: wholeNumber(parsed, 'expires', 1, 8_760),
    }),
    show: showInvite,
  }),
};

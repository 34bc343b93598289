/**
 * Every reason for which a packet of fwknop's form is refused: a closed list, one metric label each. Without an HMAC that verified
 * there are only the first four, so that nobody learns from us how far a packet of his came.
 */
export const FWKNOP_REFUSALS = [
  // of the packet as it came: anybody can see these
  'length', // not 140 to 1,500 bytes
  'salt-prefix', // begins with what every sender leaves out
  'alphabet', // a byte that is not of the base64 alphabet
  // of all credentials together
  'no-key', // no credential opens it: another key, another mode, or no packet at all
  // after an HMAC that verified, or inside what gpg decrypted
  'base64', // ends in the middle of a byte, or with bits that are not zero
  'padding', // not PKCS #7: most likely another key
  'digest', // of none of the seven kinds
  'fields', // too few or too many
  'random', // not 16 digits
  'user', // no base64, empty, longer than 48 bytes, or a character that is not allowed
  'time', // not a number of seconds below 2^32
  'version', // not 1 to 8 characters
  'type', // not 0 to 6
  'message', // no base64, longer than 255 bytes, or nothing after the address
  'address', // no address before the comma
  'ports', // not tcp/N or udp/N
  'nat', // not host,port
  'server-auth', // no base64, or empty
  'timeout', // not 0 to 65,536
] as const;

/** One of {@link FWKNOP_REFUSALS}. */
export type FwknopRefusal = (typeof FWKNOP_REFUSALS)[number];

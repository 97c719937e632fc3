// Whether an address lies in a network. Pure.

/** Returns the bits of an address as a number, with their width; null for what is no address. */
function bits(text: string): [bigint, number] | null {
  if (text.includes(":")) return bits6(text);
  const parts = text.split(".");
  if (parts.length !== 4 || parts.some((part) => !/^\d{1,3}$/.test(part) || Number(part) > 255)) return null;
  return [parts.reduce((sum, part) => (sum << 8n) | BigInt(part), 0n), 32];
}

function bits6(text: string): [bigint, number] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const [head = [], tail = []] = groups;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const all = [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill("0"), ...tail];
  if (all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return null;
  return [all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n), 128];
}

/** Returns whether the address is the subject or lies in it; a text that is neither matches what contains it. */
export function liesIn(address: string, subject: string): boolean {
  const [base = "", length] = subject.trim().split("/", 2);
  const network = bits(base);
  const one = bits(address);
  if (!network || !one) return address.includes(subject.trim());
  const [value, width] = network;
  if (width !== one[1]) return false;
  const kept = length === undefined || length === "" ? width : Math.min(width, Number(length) || 0);
  const shift = BigInt(width - kept);
  return value >> shift === one[0] >> shift;
}

import { createHmac, sign, type KeyObject } from 'node:crypto';

export type Signer = (input: Buffer) => Buffer;
/** JSON text or bytes as they are; anything else as JSON. */
export type Content = object | string | Buffer;

export const encode = (content: Content): string =>
  (Buffer.isBuffer(content)
    ? content
    : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
  ).toString('base64url');

/** A token of any content, well signed or not: without the checks of a library that means well. */
export function forge(header: Content, payload: Content, signer: Signer): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${signer(Buffer.from(input)).toString('base64url')}`;
}

export const hmac =
  (secret: string | Buffer): Signer =>
  (input) =>
    createHmac('sha256', secret).update(input).digest();

export const rsa =
  (key: KeyObject, digest = 'sha256'): Signer =>
  (input) =>
    sign(digest, input, key);

export const ecdsa =
  (key: KeyObject, digest = 'sha256'): Signer =>
  (input) =>
    sign(digest, input, { key, dsaEncoding: 'ieee-p1363' });

export const ed25519 =
  (key: KeyObject): Signer =>
  (input) =>
    sign(null, input, key);

export const constant =
  (bytes: Buffer): Signer =>
  () =>
    bytes;

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import {
  COSIGNATURE,
  decodeAddCheckpoint,
  encodeCosignatures,
  NoteSigner,
  openCheckpoint,
  parseNote,
  readCheckpoint,
  sameHash,
  SIZE_MEDIA_TYPE,
  TlogError,
  verifyConsistency,
  type Hash,
  type NoteVerifier,
} from '#tlog';

/** What the server does beside what a witness should: signs something else, never answers, claims to be ahead, knows another tree. */
export type Manner = 'honest' | 'lies' | 'hangs' | 'ahead' | 'forked' | 'broken';

/** A witness of C2SP tlog-witness: cosigns what is consistent with what it has cosigned before. */
export class WitnessServer {
  readonly signer: NoteSigner;
  manner: Manner = 'honest';
  /** Answers so far, by status; 0 for none. */
  readonly statuses: number[] = [];
  readonly seen = new Map<string, { size: number; root: Hash }>();
  private readonly server: Server = createServer((request, response) => {
    this.answer(request, response).catch((error: unknown) => response.destroy(error as Error));
  });

  private constructor(
    name: string,
    private readonly logOf: (origin: string) => NoteVerifier,
  ) {
    this.signer = new NoteSigner(name, randomBytes(32), COSIGNATURE);
  }

  static async start(name: string, logOf: (origin: string) => NoteVerifier): Promise<WitnessServer> {
    const witness = new WitnessServer(name, logOf);
    witness.server.listen(0, '127.0.0.1');
    await once(witness.server, 'listening');
    return witness;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/gravitas`;
  }

  get key(): string {
    return this.signer.verifier.toString();
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    if (this.manner === 'hangs') {
      this.statuses.push(0);
      return;
    }
    const { status, body, type = 'text/plain' } = this.decide(request, Buffer.concat(pieces));
    this.statuses.push(status);
    response.writeHead(status, { 'content-type': type }).end(body);
  }

  private decide(request: IncomingMessage, bytes: Buffer): { status: number; body: string; type?: string } {
    if (request.method !== 'POST' || request.url !== '/gravitas/add-checkpoint') return { status: 404, body: '' };
    if (this.manner === 'broken') return { status: 500, body: '' };
    const { oldSize, proof, checkpoint } = decodeAddCheckpoint(bytes);
    const { origin } = readCheckpoint(checkpoint);
    const { size, root } = openCheckpoint(checkpoint, this.logOf(origin));
    const known = this.seen.get(origin);
    if (this.manner === 'ahead') return { status: 409, body: `${size + 1}\n`, type: SIZE_MEDIA_TYPE };
    if (this.manner === 'forked') return { status: 409, body: '' };
    if (oldSize !== (known?.size ?? 0)) return { status: 409, body: `${known?.size ?? 0}\n`, type: SIZE_MEDIA_TYPE };
    try {
      if (known) verifyConsistency({ oldSize, oldRoot: known.root, size, root }, proof);
      if (known?.size === size && !sameHash(known.root, root)) return { status: 409, body: '' };
    } catch (error) {
      if (error instanceof TlogError) return { status: 422, body: '' };
      throw error;
    }
    this.seen.set(origin, { size, root });
    const { text } = parseNote(checkpoint);
    const signed = this.manner === 'lies' ? text.replace('\n', ' \n') : text;
    const { name, keyId } = this.signer;
    return { status: 200, body: encodeCosignatures([{ name, keyId, signature: this.signer.sign(signed) }]) };
  }
}

import { ConfigError } from '#config';
import { errorMessage } from '#errors';
import { openKeyFile } from '#key-files';
import { type Logger } from '#logging';
import { NoteSigner } from '#tlog';

/**
 * The key that signs the transparency log; made at the first boot.
 *
 * @throws ConfigError naming the file
 */
export async function openLogSigner(path: string, name: string, logger: Logger): Promise<NoteSigner> {
  try {
    const { privateKey, exposed } = await openKeyFile(path);
    if (exposed)
      logger.warn({ path }, 'others can read the key of the transparency log and sign in its name; chmod 600 it');
    const signer = new NoteSigner(name, Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url'));
    logger.info({ key: signer.verifier.toString(), path }, 'the key of the transparency log');
    return signer;
  } catch (error) {
    throw new ConfigError('gatekeeper', [`GATEKEEPER_LOG_KEY_PATH: ${path}: ${errorMessage(error, 0)}`]);
  }
}

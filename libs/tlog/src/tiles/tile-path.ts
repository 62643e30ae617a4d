import { expectArgument, malformed } from '../errors.js';
import { checkTile, TILE_WIDTH, type Bundle, type Tile } from './tile.js';

/** Paths as C2SP tlog-tiles has them: `tile/<level>/<index>[.p/<width>]`, with the index in groups of three digits. */

const MAX_PATH = 64;
const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** @throws TlogError tlog_argument when there is no such tile */
export function tilePath(tile: Tile): string {
  checkTile(tile);
  return `tile/${tile.level}/${indexPath(tile)}`;
}

/** @throws TlogError tlog_argument when there is no such bundle */
export function bundlePath(bundle: Bundle): string {
  checkTile({ ...bundle, level: 0 });
  return `tile/entries/${indexPath(bundle)}`;
}

export type TileResource = ({ kind: 'tile' } & Tile) | ({ kind: 'entries' } & Bundle);

/** The one spelling of a path that the specification allows, and no other. @throws TlogError tlog_malformed */
export function parseTilePath(path: string): TileResource {
  const match = path.length <= MAX_PATH ? PATH.exec(path) : null;
  if (!match) throw notOne();
  const [, level = '', groups = '', partial] = match;
  const index = Number(groups.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const bundle = { index, width };
  const tile = { level: level === 'entries' ? 0 : Number(level), ...bundle };
  try {
    checkTile(tile);
  } catch (error) {
    throw notOne(error);
  }
  // Leading groups of zeros, and a partial tile of full width.
  const own = level === 'entries' ? bundlePath(bundle) : tilePath(tile);
  if (own !== path) throw notOne();
  return level === 'entries' ? { kind: 'entries', ...bundle } : { kind: 'tile', ...tile };
}

function indexPath({ index, width }: Bundle): string {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g);
  expectArgument(groups !== null, 'tile index: expected digits');
  const path = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

function notOne(cause?: unknown) {
  return malformed('path: expected tile/<level or "entries">/<index>[.p/<width>], such as tile/0/x001/x234/067', cause);
}

export { TlogError, type TlogErrorCode } from './errors.js';
export { EMPTY_ROOT, HASH_BYTES, leafHash, nodeHash, sameHash, type Hash } from './merkle/hashing.js';
export { MAX_LEVEL, MAX_SIZE, splitPoint, subtreeNodes, type TreeNode } from './merkle/tree.js';
export { consistencyProof, inclusionProof, treeRoot, type HashReader } from './merkle/proofs.js';
export { verifyConsistency, verifyInclusion, type ConsistencyClaim, type InclusionClaim } from './merkle/verify.js';
export { Frontier } from './merkle/frontier.js';
export {
  changedTiles,
  decodeTile,
  encodeTile,
  firstLeaf,
  levelWidth,
  MAX_TILE_BYTES,
  partialTiles,
  TILE_HEIGHT,
  TILE_LEVELS,
  TILE_WIDTH,
  tileWidth,
  type Bundle,
  type Tile,
  type TileData,
} from './tiles/tile.js';
export { bundlePath, parseTilePath, tilePath, type TileResource } from './tiles/tile-path.js';
export { decodeBundle, encodeBundle, MAX_BUNDLE_BYTES, MAX_ENTRY_BYTES } from './tiles/entry-bundle.js';
export { TileHashReader, type TileSource } from './tiles/tile-hash-reader.js';
export { TreeEdge } from './tiles/tree-edge.js';
export { hashFromBase64, toBase64 } from './note/base64.js';
export { isKeyName, tenantOrigin } from './note/key-name.js';
export { COSIGNATURE, cosignatureTime, ED25519, NoteSigner, NoteVerifier, type KeyType } from './note/keys.js';
export { MAX_NOTE_BYTES } from './note/note-text.js';
export {
  formatSignature,
  MAX_SIGNATURES,
  openNote,
  parseNote,
  parseSignatureLines,
  signNote,
  type NoteSignature,
  type OpenedNote,
  type UnverifiedNote,
} from './note/signed-note.js';
export {
  formatCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  readCheckpoint,
  signCheckpoint,
  type Checkpoint,
  type CheckpointHead,
  type OpenedCheckpoint,
} from './note/checkpoint.js';
export {
  addCosignatures,
  decodeAddCheckpoint,
  decodeWitnessAnswer,
  encodeAddCheckpoint,
  encodeCosignatures,
  MAX_PROOF_LINES,
  SIZE_MEDIA_TYPE,
  type AddCheckpoint,
  type WitnessAnswer,
} from './note/add-checkpoint.js';
export { canonicalJson } from './event/canonical-json.js';
export { canonicalEvent, canonicalStoredEvent, type StoredEvent } from './event/canonical-event.js';
export { canonicalTime } from './event/event-time.js';
export { ExactNumber, parseStoredJson } from './event/stored-json.js';
export { isDigestEntry, leafEntry } from './event/leaf-entry.js';
export { formatTlogProof, MAX_INCLUSION_HASHES, parseTlogProof, type TlogProof } from './proof/tlog-proof.js';
export {
  eventProof,
  eventProofText,
  parseEventProofText,
  verifyEventProof,
  type ProvenEvent,
} from './proof/event-proof.js';
export { openSeal, signSeal, type Seal } from './seal/seal.js';
export { SealDigest } from './seal/seal-digest.js';
export { type Difference, type DifferenceKind } from './verify/difference.js';
export { type LogLeaf, type LogSource } from './verify/log-source.js';
export { verifyLog, type LogVerdict, type VerifyLogOptions } from './verify/verify-log.js';

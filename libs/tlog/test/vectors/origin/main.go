// Makes the test vectors of libs/tlog with other implementations than ours: golang.org/x/mod/sumdb (tlog, note) and
// github.com/transparency-dev (merkle, formats). Where two of them do the same thing, both must agree before anything is written.
//
//	go run . -out ..            writes the vectors
//	go run . -check notes.json  opens notes that were signed elsewhere: [{"note": "...", "keys": ["..."], "cosigner": "..."}]
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"os"
	"path/filepath"

	flog "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type hashes = []string

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func agree(what string, one, other []byte) {
	if !bytes.Equal(one, other) {
		log.Fatalf("%s: the implementations differ", what)
	}
}

// leaf is the entry with that index in the vectors' log.
func leaf(index int64) []byte { return fmt.Appendf(nil, "entry %d", index) }

// memory holds a whole tree as tlog stores it.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = m[index]
	}
	return out, nil
}

func grow(size int64) memory {
	var m memory
	for i := int64(0); i < size; i++ {
		m = append(m, must(tlog.StoredHashes(i, leaf(i), m))...)
	}
	return m
}

// uniform is a tree of any size in which all leaves are the same, so that a hash depends on its level only.
type uniform []tlog.Hash

func (u uniform) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, _ := tlog.SplitStoredHashIndex(index)
		out[i] = u[level]
	}
	return out, nil
}

func newUniform() uniform {
	u := uniform{tlog.RecordHash([]byte("the same"))}
	for len(u) < 54 {
		last := u[len(u)-1]
		u = append(u, tlog.NodeHash(last, last))
	}
	return u
}

type inclusion struct {
	Size  int64 `json:"size"`
	Index int64 `json:"index"`
	Proof any   `json:"proof"`
}

type consistency struct {
	Old   int64 `json:"old"`
	Size  int64 `json:"size"`
	Proof any   `json:"proof"`
}

func include(reader tlog.HashReader, size, index int64) [][]byte {
	root := must(tlog.TreeHash(size, reader))
	own := must(tlog.ProveRecord(size, index, reader))
	leafHash := must(reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)}))[0]
	out := make([][]byte, len(own))
	for i := range own {
		out[i] = own[i][:]
	}
	check(proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(size), leafHash[:], out, root[:]))
	return out
}

func extend(reader tlog.HashReader, old, size int64) [][]byte {
	root := must(tlog.TreeHash(size, reader))
	oldRoot := must(tlog.TreeHash(old, reader))
	own := must(tlog.ProveTree(size, old, reader))
	out := make([][]byte, len(own))
	for i := range own {
		out[i] = own[i][:]
	}
	check(proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old), uint64(size), out, oldRoot[:], root[:]))
	return out
}

func base64All(list [][]byte) hashes {
	out := make(hashes, len(list))
	for i := range list {
		out[i] = b64(list[i])
	}
	return out
}

// table numbers hashes, so that each is written once.
type table struct {
	list   hashes
	places map[string]int
}

func (t *table) of(list [][]byte) []int {
	out := make([]int, len(list))
	for i, hash := range list {
		text := b64(hash)
		place, known := t.places[text]
		if !known {
			place = len(t.list)
			t.places[text] = place
			t.list = append(t.list, text)
		}
		out[i] = place
	}
	return out
}

func write(dir, name string, value any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	check(encoder.Encode(value))
	check(os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o644))
}

func trees(dir string) {
	const most = 5000
	reader := grow(70000)
	random := rand.New(rand.NewSource(6962))

	compactTree := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	roots := hashes{b64(rfc6962.DefaultHasher.EmptyRoot())}
	large := map[string]string{}
	wanted := map[int64]bool{511: true, 512: true, 513: true, 1000: true, 4095: true, 4096: true, 4999: true, 5000: true,
		65535: true, 65536: true, 65537: true, 70000: true}
	for i := int64(0); i < 70000; i++ {
		check(compactTree.Append(rfc6962.DefaultHasher.HashLeaf(leaf(i)), nil))
		size := i + 1
		if size > 300 && !wanted[size] {
			continue
		}
		root := must(tlog.TreeHash(size, reader))
		agree("root", root[:], must(compactTree.GetRootHash(nil)))
		if size <= 300 {
			roots = append(roots, b64(root[:]))
		} else {
			large[fmt.Sprint(size)] = b64(root[:])
		}
	}
	write(dir, "roots.json", map[string]any{"roots": roots, "large": large})

	all := table{places: map[string]int{}}
	var inclusions []inclusion
	var consistencies []consistency
	for size := int64(1); size <= 40; size++ {
		for index := int64(0); index < size; index++ {
			inclusions = append(inclusions, inclusion{size, index, all.of(include(reader, size, index))})
		}
		for old := int64(1); old <= size; old++ {
			consistencies = append(consistencies, consistency{old, size, all.of(extend(reader, old, size))})
		}
	}
	for range 100 {
		size := 41 + random.Int63n(most-40)
		index := random.Int63n(size)
		inclusions = append(inclusions, inclusion{size, index, all.of(include(reader, size, index))})
		old := 1 + random.Int63n(size)
		consistencies = append(consistencies, consistency{old, size, all.of(extend(reader, old, size))})
	}
	rootOf := map[string]string{}
	for _, c := range consistencies {
		for _, size := range []int64{c.Old, c.Size} {
			root := must(tlog.TreeHash(size, reader))
			rootOf[fmt.Sprint(size)] = b64(root[:])
		}
	}
	write(dir, "proofs.json", map[string]any{
		"hashes": all.list, "roots": rootOf, "inclusion": inclusions, "consistency": consistencies})

	tiles(dir, reader)
	giants(dir, random)
}

// giants are trees of sizes that no memory holds, up to 2^53 - 1.
func giants(dir string, random *rand.Rand) {
	const limit = int64(1)<<53 - 1
	reader := newUniform()
	sizes := []int64{1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<40 + 12345, 1<<52 - 1, 1 << 52, 1<<52 + 1, limit - 1, limit}
	for range 20 {
		sizes = append(sizes, 1+random.Int63n(limit))
	}
	type giant struct {
		Size        int64  `json:"size"`
		Root        string `json:"root"`
		Index       int64  `json:"index"`
		Inclusion   []int  `json:"inclusion"`
		Old         int64  `json:"old"`
		OldRoot     string `json:"oldRoot"`
		Consistency []int  `json:"consistency"`
	}
	all := table{places: map[string]int{}}
	var out []giant
	for i, size := range sizes {
		index, old := random.Int63n(size), 1+random.Int63n(size)
		if i%5 == 0 {
			index = size - 1
		}
		root, oldRoot := must(tlog.TreeHash(size, reader)), must(tlog.TreeHash(old, reader))
		out = append(out, giant{size, b64(root[:]), index, all.of(include(reader, size, index)),
			old, b64(oldRoot[:]), all.of(extend(reader, old, size))})
	}
	write(dir, "giants.json", map[string]any{"leaf": "the same", "hashes": all.list, "giants": out})
}

func tiles(dir string, reader memory) {
	// tlog-tiles has no height in its paths, where Go's checksum database has.
	path := func(tile tlog.Tile) string { return "tile/" + tile.Path()[len("tile/8/"):] }
	var paths []any
	for _, index := range []int64{0, 1, 999, 1000, 1234067, 999999, 1000000, 123456789012} {
		for _, width := range []int{1, 17, 255, 256} {
			for _, level := range []int{0, 1, 2} {
				tile := tlog.Tile{H: 8, L: level, N: index, W: width}
				paths = append(paths, []any{level, index, width, path(tile)})
			}
		}
	}
	type growth struct {
		Old   int64    `json:"old"`
		Size  int64    `json:"size"`
		Paths []string `json:"paths"`
	}
	var growths []growth
	for _, pair := range [][2]int64{{0, 0}, {0, 1}, {0, 255}, {0, 256}, {0, 257}, {1, 2}, {255, 256}, {256, 257}, {300, 300},
		{511, 513}, {1000, 1600}, {65535, 65536}, {65536, 65537}, {69000, 70000}, {12345, 13000}} {
		list := []string{}
		for _, tile := range tlog.NewTiles(8, pair[0], pair[1]) {
			list = append(list, path(tile))
		}
		growths = append(growths, growth{pair[0], pair[1], list})
	}
	// The bytes of all tiles of a tree of 70,000 leaves, by their digest, and of some in full.
	bytesOf := map[string]string{}
	for _, tile := range tlog.NewTiles(8, 0, 70000) {
		digest := sha256.Sum256(must(tlog.ReadTileData(tile, reader)))
		bytesOf[path(tile)] = hex.EncodeToString(digest[:])
	}
	whole := map[string]string{}
	for _, tile := range []tlog.Tile{{H: 8, L: 0, N: 273, W: 112}, {H: 8, L: 1, N: 1, W: 17}, {H: 8, L: 2, N: 0, W: 1}} {
		whole[path(tile)] = b64(must(tlog.ReadTileData(tile, reader)))
	}
	write(dir, "tiles.json", map[string]any{"paths": paths, "growth": growths, "size": 70000, "sha256": bytesOf, "bytes": whole})
}

// keyOf makes a key from a seed that everybody knows.
func keyOf(name string, kind byte, seed string) (skey, vkey string) {
	digest := sha256.Sum256([]byte(seed))
	private := ed25519.NewKeyFromSeed(digest[:])
	public := append([]byte{kind}, private.Public().(ed25519.PublicKey)...)
	id := sha256.Sum256(append([]byte(name+"\n"), public...))
	skey = fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", name, id[:4], b64(append([]byte{kind}, digest[:]...)))
	vkey = fmt.Sprintf("%s+%x+%s", name, id[:4], b64(public))
	return skey, vkey
}

func notes(dir string) {
	logKey, logVerifier := keyOf("gravitas.example/audit/default", 1, "log")
	nextKey, nextVerifier := keyOf("gravitas.example/audit/default", 1, "the key after that")
	witnessKey, witnessVerifier := keyOf("witness.example/w1", 4, "witness")
	signer, next := must(note.NewSigner(logKey)), must(note.NewSigner(nextKey))
	witness := must(fnote.NewSignerForCosignatureV1(witnessKey))
	agree("verifier key", []byte(logVerifier), []byte(must(note.NewEd25519VerifierKey(signer.Name(),
		ed25519.NewKeyFromSeed(sum("log")).Public().(ed25519.PublicKey)))))

	type signed struct {
		Text string `json:"text"`
		Note string `json:"note"`
	}
	var plain []signed
	for _, text := range []string{"one line\n", "several\nlines\n", "an empty line\n\nwithin\n", "Umlaute äöü, 漢字, 𝕏\n", "\n\n", "— not a signature\n"} {
		n := must(note.Sign(&note.Note{Text: text}, signer))
		must(note.Open(n, note.VerifierList(must(note.NewVerifier(logVerifier)))))
		plain = append(plain, signed{text, string(n)})
	}

	reader := grow(1000)
	type checkpoint struct {
		Size   uint64 `json:"size"`
		Root   string `json:"root"`
		Note   string `json:"note"`
		Both   string `json:"both"`
		Cosign string `json:"cosigned"`
	}
	var checkpoints []checkpoint
	for _, size := range []int64{0, 1, 2, 255, 256, 1000} {
		root := must(tlog.TreeHash(size, reader))
		text := string(flog.Checkpoint{Origin: signer.Name(), Size: uint64(size), Hash: root[:]}.Marshal())
		checkpoints = append(checkpoints, checkpoint{uint64(size), b64(root[:]),
			string(must(note.Sign(&note.Note{Text: text}, signer))),
			string(must(note.Sign(&note.Note{Text: text}, signer, next))),
			string(must(note.Sign(&note.Note{Text: text}, signer, witness)))})
	}

	index := int64(123)
	var list [][32]byte
	for _, hash := range include(reader, 1000, index) {
		list = append(list, [32]byte(hash))
	}
	last := checkpoints[len(checkpoints)-1]
	proofText := fproof.TLogProof{Index: uint64(index), Hashes: list, Checkpoint: []byte(last.Note), ExtraData: leaf(index)}.Marshal()

	write(dir, "notes.json", map[string]any{
		"signer": logKey, "verifier": logVerifier, "nextSigner": nextKey, "nextVerifier": nextVerifier,
		"witnessSigner": witnessKey, "witnessVerifier": witnessVerifier,
		"notes": plain, "checkpoints": checkpoints, "proof": string(proofText)})
}

func sum(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	return digest[:]
}

// checkNotes opens notes that another implementation has signed.
func checkNotes(file string) {
	var list []struct {
		Note     string   `json:"note"`
		Keys     []string `json:"keys"`
		Cosigner string   `json:"cosigner"`
	}
	check(json.Unmarshal(must(os.ReadFile(file)), &list))
	for i, one := range list {
		var verifiers []note.Verifier
		for _, key := range one.Keys {
			verifiers = append(verifiers, must(note.NewVerifier(key)))
		}
		if one.Cosigner != "" {
			verifiers = append(verifiers, must(fnote.NewVerifierForCosignatureV1(one.Cosigner)))
		}
		opened := must(note.Open([]byte(one.Note), note.VerifierList(verifiers...)))
		if len(opened.Sigs) != len(verifiers) || len(opened.UnverifiedSigs) != 0 {
			log.Fatalf("note %d: %d of %d keys have signed", i, len(opened.Sigs), len(verifiers))
		}
	}
	fmt.Printf("%d notes opened\n", len(list))
}

func main() {
	out := flag.String("out", "", "folder for the vectors")
	notesFile := flag.String("check", "", "file of notes to open")
	flag.Parse()
	if *out != "" {
		trees(*out)
		notes(*out)
	}
	if *notesFile != "" {
		checkNotes(*notesFile)
	}
}

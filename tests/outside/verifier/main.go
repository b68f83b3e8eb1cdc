// Command verifier checks a log's folder with Go's own note, tile and signature code, so that
// nothing of Glasslock's is believed.
//
//	verifier FOLDER NEEDED LOG-VKEY... -- WITNESS-VKEY...
//
// Every LOG-VKEY must have signed the checkpoint and NEEDED of the witnesses must have cosigned it;
// every entry and tile must be under its root. Prints the size, or fails and says why.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	noteKey    = 0x01
	cosignKey  = 0x04
	latticeKey = 0x06
	height     = 8
	width      = 1 << height
)

// key is one vkey: a name, the identifier in signature lines, a type and the raw public key.
type key struct {
	name string
	id   uint32
	kind byte
	raw  []byte
}

func parseKey(text string) (key, error) {
	parts := strings.SplitN(text, "+", 3)
	if len(parts) != 3 {
		return key{}, errors.New("not a vkey")
	}
	id, err := hex.DecodeString(parts[1])
	if err != nil || len(id) != 4 {
		return key{}, errors.New("not a key id")
	}
	data, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(data) < 2 {
		return key{}, errors.New("not a key")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), data...))
	if !bytes.Equal(sum[:4], id) {
		return key{}, errors.New("a key id is not its key's")
	}
	return key{parts[0], binary.BigEndian.Uint32(id), data[0], data[1:]}, nil
}

// Name and KeyHash make a key a note.Verifier.
func (k key) Name() string    { return k.name }
func (k key) KeyHash() uint32 { return k.id }

// Verify says whether sig, of whatever type the key is, stands over the text of a note.
func (k key) Verify(text, sig []byte) bool {
	switch k.kind {
	case noteKey:
		return len(sig) == ed25519.SignatureSize && ed25519.Verify(k.raw, text, sig)
	case cosignKey:
		if len(sig) != 8+ed25519.SignatureSize {
			return false
		}
		time := binary.BigEndian.Uint64(sig)
		said := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
		return time > 0 && ed25519.Verify(k.raw, []byte(said), sig[8:])
	case latticeKey:
		public, err := mldsa.NewPublicKey(mldsa.MLDSA44(), k.raw)
		if err != nil || len(sig) != 8+mldsa.MLDSA44SignatureSize {
			return false
		}
		said, err := subtree(k.name, text, sig[:8])
		return err == nil && mldsa.Verify(public, said, sig[8:], nil) == nil
	}
	return false
}

// subtree is what an ML-DSA line signs: the whole tree, from leaf 0 to its size.
func subtree(name string, text, time []byte) ([]byte, error) {
	origin, tree, err := parseHead(text)
	if err != nil {
		return nil, err
	}
	said := append([]byte("subtree/v1\n\x00"), byte(len(name)))
	said = append(said, name...)
	said = append(said, time...)
	said = append(said, byte(len(origin)))
	said = append(said, origin...)
	said = binary.BigEndian.AppendUint64(said, 0)
	said = binary.BigEndian.AppendUint64(said, uint64(tree.N))
	return append(said, tree.Hash[:]...), nil
}

func parseHead(text []byte) (string, tlog.Tree, error) {
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[3] != "" {
		return "", tlog.Tree{}, errors.New("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return "", tlog.Tree{}, errors.New("a size is a plain number")
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return "", tlog.Tree{}, errors.New("a root has 32 bytes")
	}
	return lines[0], tlog.Tree{N: size, Hash: tlog.Hash(root)}, nil
}

// tiles reads tiles from a folder, where a path leaves the height out.
type tiles struct{ folder string }

func (t tiles) Height() int                         { return height }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(want))
	for at, tile := range want {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		found[at] = data
	}
	return found, nil
}

// entries returns the hashes of all entries in a bundle.
func entries(folder string, index, size int64) ([]tlog.Hash, error) {
	count := min(int64(width), size-index*width)
	tile := tlog.Tile{H: height, L: 0, N: index, W: int(count)}
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(folder, path))
	if err != nil {
		return nil, err
	}
	var found []tlog.Hash
	for len(data) >= 2 {
		length := int(binary.BigEndian.Uint16(data))
		if len(data) < 2+length {
			return nil, errors.New("a bundle ends inside an entry")
		}
		found = append(found, tlog.RecordHash(data[2:2+length]))
		data = data[2+length:]
	}
	if len(data) != 0 || int64(len(found)) != count {
		return nil, errors.New("a bundle has not the entries of its tile")
	}
	return found, nil
}

func checkNote(data []byte, origin string, logs, witnesses []key, needed int) (tlog.Tree, error) {
	var known []note.Verifier
	for _, each := range append(append([]key{}, logs...), witnesses...) {
		known = append(known, each)
	}
	opened, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return tlog.Tree{}, err
	}
	signed := map[uint32]bool{}
	for _, line := range opened.Sigs {
		signed[line.Hash] = true
	}
	for _, each := range logs {
		if !signed[each.id] {
			return tlog.Tree{}, errors.New("a key of the log has not signed")
		}
	}
	count := 0
	for _, each := range witnesses {
		if signed[each.id] {
			count++
		}
	}
	if count < needed {
		return tlog.Tree{}, fmt.Errorf("%d of %d witnesses", count, needed)
	}
	name, tree, err := parseHead([]byte(opened.Text))
	if err == nil && name != origin {
		err = errors.New("this is another log")
	}
	return tree, err
}

func checkTree(folder string, tree tlog.Tree) error {
	reader := tlog.TileHashReader(tree, tiles{folder})
	for index := int64(0); index*width < tree.N; index++ {
		leaves, err := entries(folder, index, tree.N)
		if err != nil {
			return err
		}
		places := make([]int64, len(leaves))
		for at := range leaves {
			places[at] = tlog.StoredHashIndex(0, index*width+int64(at))
		}
		proven, err := reader.ReadHashes(places)
		if err != nil {
			return err
		}
		for at := range leaves {
			if leaves[at] != proven[at] {
				return fmt.Errorf("entry %d is not the one of the tree", index*width+int64(at))
			}
		}
	}
	return nil
}

func run(arguments []string) (int64, error) {
	if len(arguments) < 4 {
		return 0, errors.New("FOLDER NEEDED LOG-VKEY... -- WITNESS-VKEY...")
	}
	folder := arguments[0]
	needed, err := strconv.Atoi(arguments[1])
	if err != nil {
		return 0, err
	}
	var sides [2][]key
	side := 0
	for _, text := range arguments[2:] {
		if text == "--" {
			side = 1
			continue
		}
		parsed, err := parseKey(text)
		if err != nil {
			return 0, err
		}
		sides[side] = append(sides[side], parsed)
	}
	if len(sides[0]) == 0 {
		return 0, errors.New("no key of the log")
	}
	data, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return 0, err
	}
	tree, err := checkNote(data, sides[0][0].name, sides[0], sides[1], needed)
	if err != nil {
		return 0, err
	}
	return tree.N, checkTree(folder, tree)
}

func main() {
	size, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}

// Follows an exported ledger with the packages of Go's checksum database: verifies the signed checkpoint, reads every
// entry through authenticated tiles, proves each to be in the tree, and the tree to continue an earlier checkpoint.
//
//	go run follow.go DIR EARLIER     what `cellbed ledger export` wrote, and a checkpoint from before
package main

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path ...string) []byte {
	data, err := os.ReadFile(filepath.Join(path...))
	check(err)
	return data
}

// checkpoint reads the three lines of a checkpoint (C2SP tlog-checkpoint); Go's own ParseTree wants its own first line.
func checkpoint(text []byte, verifier note.Verifier) (int64, tlog.Hash) {
	signed, err := note.Open(text, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(signed.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("the origin is %q", lines[0]))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	hash, err := tlog.ParseHash(lines[2])
	check(err)
	return size, hash
}

// tiles reads tiles of C2SP tlog-tiles, whose paths have no height.
type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

func (t tiles) path(tile tlog.Tile) string {
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	return filepath.Join(t.dir, strings.Replace(path, "tile/8/", "tile/", 1))
}

func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range list {
		data, err := os.ReadFile(t.path(tile))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// entries reads every entry of the bundles.
func entries(t tiles, size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		width := 256
		if size-n*256 < 256 {
			width = int(size - n*256)
		}
		data := read(t.path(tlog.Tile{H: 8, L: -1, N: n, W: width}))
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			found = append(found, data[2:2+length])
			data = data[2+length:]
		}
	}
	return found
}

func main() {
	dir := os.Args[1]
	verifier, err := note.NewVerifier(strings.TrimSpace(string(read(dir, "vkey"))))
	check(err)
	size, root := checkpoint(read(dir, "checkpoint"), verifier)
	earlier, earlierRoot := checkpoint(read(os.Args[2]), verifier)
	store := tiles{dir}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, store)
	leaves := entries(store, size)
	if int64(len(leaves)) != size {
		check(fmt.Errorf("%d entries, and the tree has %d", len(leaves), size))
	}
	for n, leaf := range leaves {
		proof, err := tlog.ProveRecord(size, int64(n), reader)
		check(err)
		check(tlog.CheckRecord(proof, size, root, int64(n), tlog.RecordHash(leaf)))
	}
	proof, err := tlog.ProveTree(size, earlier, reader)
	check(err)
	check(tlog.CheckTree(proof, size, root, earlier, earlierRoot))
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"size": size, "earlier": earlier, "head": hex.EncodeToString(leaves[size-1]),
	}))
}

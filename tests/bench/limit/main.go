// SPDX-License-Identifier: GPL-3.0-or-later

// Command limit uses a store as fast as a plain client can: it fills a bucket for the scan tests, and its listings are
// the ceiling that the scanner is measured against. It shares no code with lockstep.
//
//	limit put BUCKET COUNT SIZE [N]  put COUNT objects of SIZE bytes, 12 a product, N (32) at a time
//	limit get BUCKET COUNT [N]       read all of them, N (32) at a time
//	limit move BUCKET COUNT          copy all of them to keys below moved/, 32 at a time, then delete the sources in batches
//	limit remove BUCKET COUNT        delete what move made, in batches
//	limit list BUCKET COUNT          list all of them one page after the other
//	limit ranges BUCKET COUNT N      list them in N key ranges side by side
//
// The endpoint and the credentials come from the environment, as in the other tests. It prints seconds.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	perProduct = 12
	moved      = "moved/"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	check(err)
	return n
}

// argument is the number at a place of the command line, or what it is when it is not given.
func argument(at, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	return number(os.Args[at])
}

func product(i int) string { return fmt.Sprintf("products/p%06d/", i) }

func key(i int) string {
	weights := []string{"1kg", "500ml"}
	types := []string{"hero-card", "info-card", "other-images"}
	j := i % perProduct
	return fmt.Sprintf("%s%s/%s/image-%02d.jpg", product(i/perProduct), weights[j/6], types[j%3], j)
}

// each calls one for 0 to count-1, so many at a time.
func each(count, atATime int, one func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range atATime {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				check(one(i))
			}
		}()
	}
	group.Wait()
}

func put(client *minio.Client, bucket string, count, size, atATime int) {
	body := make([]byte, size)
	_, err := rand.Read(body)
	check(err)
	each(count, atATime, func(i int) error {
		_, err := client.PutObject(context.Background(), bucket, key(i), bytes.NewReader(body), int64(size),
			minio.PutObjectOptions{ContentType: "image/jpeg", DisableContentSha256: true})
		return err
	})
}

func get(client *minio.Client, bucket string, count, atATime int) {
	each(count, atATime, func(i int) error {
		object, err := client.GetObject(context.Background(), bucket, key(i), minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer object.Close()
		_, err = io.Copy(io.Discard, object)
		return err
	})
}

func remove(client *minio.Client, bucket, below string, count int) {
	doomed := make(chan minio.ObjectInfo, count)
	for i := range count {
		doomed <- minio.ObjectInfo{Key: below + key(i)}
	}
	close(doomed)
	for failed := range client.RemoveObjects(context.Background(), bucket, doomed, minio.RemoveObjectsOptions{}) {
		check(failed.Err)
	}
}

func move(client *minio.Client, bucket string, count int) {
	each(count, 32, func(i int) error {
		_, err := client.CopyObject(context.Background(), minio.CopyDestOptions{Bucket: bucket, Object: moved + key(i)},
			minio.CopySrcOptions{Bucket: bucket, Object: key(i)})
		return err
	})
	remove(client, bucket, "", count)
}

// list counts the keys after start and up to end ("" for all).
func list(client *minio.Client, bucket, start, end string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for object := range client.ListObjects(ctx, bucket,
		minio.ListObjectsOptions{Prefix: "products/", Recursive: true, StartAfter: start, MaxKeys: 1000}) {
		check(object.Err)
		if end != "" && object.Key > end {
			break
		}
		n++
	}
	return n
}

func listRanges(client *minio.Client, bucket string, count, ranges int) int {
	products := (count + perProduct - 1) / perProduct
	var total atomic.Int64
	var group sync.WaitGroup
	for r := range ranges {
		start, end := "", ""
		if r > 0 {
			start = product(products * r / ranges)
		}
		if r < ranges-1 {
			end = product(products * (r + 1) / ranges)
		}
		group.Add(1)
		go func() {
			defer group.Done()
			total.Add(int64(list(client, bucket, start, end)))
		}()
	}
	group.Wait()
	return int(total.Load())
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: limit put|get|move|remove|list|ranges BUCKET COUNT [NUMBER…]")
		os.Exit(64)
	}
	endpoint := strings.TrimPrefix(os.Getenv("LOCKSTEP_TEST_S3_ENDPOINT"), "http://")
	client, err := minio.New(endpoint, &minio.Options{
		Creds: credentials.NewStaticV4(os.Getenv("LOCKSTEP_TEST_S3_ACCESS_KEY"),
			os.Getenv("LOCKSTEP_TEST_S3_SECRET_KEY"), ""),
		Region:    "us-east-1",
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64},
	})
	check(err)
	bucket, count, begin := os.Args[2], number(os.Args[3]), time.Now()
	switch os.Args[1] {
	case "put":
		put(client, bucket, count, number(os.Args[4]), argument(5, 32))
	case "get":
		get(client, bucket, count, argument(4, 32))
	case "move":
		move(client, bucket, count)
	case "remove":
		remove(client, bucket, moved, count)
	case "list":
		if n := list(client, bucket, "", ""); n != count {
			check(fmt.Errorf("listed %d objects, not %d", n, count))
		}
	case "ranges":
		if n := listRanges(client, bucket, count, number(os.Args[4])); n != count {
			check(fmt.Errorf("listed %d objects in ranges, not %d", n, count))
		}
	default:
		check(fmt.Errorf("no operation is called %q", os.Args[1]))
	}
	fmt.Printf("%.3f\n", time.Since(begin).Seconds())
}

// SPDX-License-Identifier: GPL-3.0-or-later

// Command limit uses a store as fast as a plain client can: it fills a bucket for the scan tests, and its listings are
// the ceiling that the scanner is measured against. It shares no code with lockstep.
//
//	limit put BUCKET COUNT SIZE    put COUNT objects of SIZE bytes, 12 a product
//	limit list BUCKET COUNT        list all of them one page after the other
//	limit ranges BUCKET COUNT N    list them in N key ranges side by side
//
// The endpoint and the credentials come from the environment, as in the other tests. It prints seconds.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
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

const perProduct = 12

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

func product(i int) string { return fmt.Sprintf("products/p%06d/", i) }

func key(i int) string {
	weights := []string{"1kg", "500ml"}
	types := []string{"hero-card", "info-card", "other-images"}
	j := i % perProduct
	return fmt.Sprintf("%s%s/%s/image-%02d.jpg", product(i/perProduct), weights[j/6], types[j%3], j)
}

func put(client *minio.Client, bucket string, count, size int) {
	body := make([]byte, size)
	_, err := rand.Read(body)
	check(err)
	var next atomic.Int64
	var group sync.WaitGroup
	for range 32 {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				_, err := client.PutObject(context.Background(), bucket, key(i), bytes.NewReader(body), int64(size),
					minio.PutObjectOptions{ContentType: "image/jpeg", DisableContentSha256: true})
				check(err)
			}
		}()
	}
	group.Wait()
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
		fmt.Fprintln(os.Stderr, "usage: limit put|list|ranges BUCKET COUNT [SIZE|RANGES]")
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
		put(client, bucket, count, number(os.Args[4]))
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

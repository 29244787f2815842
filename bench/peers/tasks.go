// SPDX-License-Identifier: MIT

// Long tasks inside an HTTP server, on Go's net/http: tasks PORT.
//
// GET /TASK, and files below BENCH_ROOT.  A goroutine waits as others block, so that a task's name
// with _async in it does what the one with _sync does.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

type task func(*http.Request) ([]byte, error)

func setting(name string, otherwise int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return otherwise
}

func number(r *http.Request, name string, otherwise int) int {
	if value, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil {
		return value
	}
	return otherwise
}

func sleep(parts int) task {
	otherwise := setting("BENCH_SLEEP_MS", 280)
	return func(r *http.Request) ([]byte, error) {
		ms := number(r, "ms", otherwise)
		for i := 0; i < parts; i++ {
			time.Sleep(time.Duration(ms) * time.Millisecond / time.Duration(parts))
		}
		return []byte(fmt.Sprintf("slept %d ms\n", ms)), nil
	}
}

// spin does some arithmetic, and returns its result lest it be left out.
func spin(rounds int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < rounds; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// roundsAMillisecond is found once, by the quickest of many runs: a goroutine has no clock of its own.
func roundsAMillisecond() float64 {
	const rounds = 1000000
	least := time.Hour
	for i := 0; i < 50; i++ {
		began := time.Now()
		if spin(rounds) == 0 {
			log.Fatal("no arithmetic")
		}
		if took := time.Since(began); took < least {
			least = took
		}
	}
	return rounds / (float64(least) / float64(time.Millisecond))
}

func cpu() task {
	rate := roundsAMillisecond() / 1000
	return func(r *http.Request) ([]byte, error) {
		us := number(r, "us", 800)
		if spin(int(rate*float64(us))) == 0 {
			return nil, errors.New("no arithmetic")
		}
		return []byte(fmt.Sprintf("burned %d us\n", us)), nil
	}
}

func file(*http.Request) ([]byte, error) {
	content, err := os.ReadFile(os.Getenv("BENCH_FILE"))
	if err != nil {
		return nil, err
	}
	temporary, err := os.CreateTemp(os.Getenv("BENCH_TEMPORARY"), "go")
	if err != nil {
		return nil, err
	}
	defer temporary.Close()
	if err = os.Remove(temporary.Name()); err == nil {
		_, err = temporary.Write(content)
	}
	return content, err
}

// newClient opens a connection for each fetch; it asks BENCH_DNS for names.
func newClient() *http.Client {
	resolver := &net.Resolver{PreferGo: true, Dial: func(c context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(c, "udp", os.Getenv("BENCH_DNS"))
	}}
	trusted := x509.NewCertPool()
	if authority, err := os.ReadFile(os.Getenv("BENCH_CA")); err == nil {
		trusted.AppendCertsFromPEM(authority)
	}
	dialer := &net.Dialer{Resolver: resolver}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(c context.Context, _, address string) (net.Conn, error) {
			return dialer.DialContext(c, "tcp4", address) // else it asks for two addresses
		},
		TLSClientConfig: &tls.Config{RootCAs: trusted},
	}}
}

func get(client *http.Client, url string) ([]byte, int, error) {
	answer, err := client.Get(url)
	if err != nil {
		return nil, 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return body, answer.StatusCode, err
}

func fetch(client *http.Client, name string) task {
	url, attempts := os.Getenv("BENCH_"+name+"_URL"), setting("BENCH_ATTEMPTS", 20)
	return func(*http.Request) ([]byte, error) {
		for i := 0; i < attempts; i++ {
			body, status, err := get(client, url)
			if err != nil || status == http.StatusOK {
				return body, err
			}
			if status != http.StatusInternalServerError {
				return nil, fmt.Errorf("status %d", status)
			}
		}
		return nil, errors.New("too many attempts")
	}
}

type records struct {
	Records []struct {
		Kind   string `xml:"kind,attr"`
		Amount int    `xml:"amount"`
	} `xml:"record"`
}

func summary(content []byte) ([]byte, error) {
	var all records
	if err := xml.Unmarshal(content, &all); err != nil {
		return nil, err
	}
	sums, kinds := map[string]int{}, []string{}
	for _, record := range all.Records {
		if _, known := sums[record.Kind]; !known {
			kinds = append(kinds, record.Kind)
		}
		sums[record.Kind] += record.Amount
	}
	sort.Strings(kinds)
	said := fmt.Sprintf("records %d\n", len(all.Records))
	for _, kind := range kinds {
		said += fmt.Sprintf("%s %d\n", kind, sums[kind])
	}
	return []byte(said), nil
}

func fetchAndParse(client *http.Client) task {
	fetched := fetch(client, "HTTPS_XML")
	return func(r *http.Request) ([]byte, error) {
		content, err := fetched(r)
		if err != nil {
			return nil, err
		}
		return summary(content)
	}
}

func tasks() map[string]task {
	client := newClient()
	all := map[string]task{
		"sleep_sync": sleep(1), "sleep_async": sleep(1), "sleep_async_split": sleep(setting("BENCH_SLEEP_PARTS", 10)),
		"cpu": cpu(), "file_sync": file, "file_async": file,
		"network_https_cpu_bound_sync": fetchAndParse(client), "network_https_cpu_bound_async": fetchAndParse(client),
	}
	for name, url := range map[string]string{
		"network_sync_local": "LOCAL", "network_async_local": "LOCAL",
		"network_sync_external": "EXTERNAL", "network_async_external": "EXTERNAL",
		"network_async_external_retry": "EXTERNAL_RETRY", "network_async_dns_external": "EXTERNAL_DNS",
		"network_async_dns_external_retry": "EXTERNAL_DNS_RETRY",
		"network_https_sync":               "HTTPS", "network_https_async": "HTTPS",
		"network_https_async_retry": "HTTPS_RETRY", "network_https_dns_async": "HTTPS_DNS",
		"network_https_dns_async_retry": "HTTPS_DNS_RETRY",
	} {
		all[name] = fetch(client, url)
	}
	return all
}

func handler(run task) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := run(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: tasks PORT")
	}
	for name, run := range tasks() {
		http.HandleFunc("/"+name, handler(run))
	}
	if root := os.Getenv("BENCH_ROOT"); strings.HasPrefix(root, "/") {
		http.Handle("/", http.FileServer(http.Dir(root)))
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}

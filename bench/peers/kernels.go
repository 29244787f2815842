// SPDX-License-Identifier: MIT

// The trees of kernels.h, and other operations of a scheduler, on goroutines: kernels WORKERS.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"time"
)

const (
	queens, fullLevels                = 10, 4
	group, spawned, streamed, queueOf = 256, 1 << 18, 1 << 19, 1024
	wakeups, settle                   = 100, time.Millisecond
)

type node struct {
	seed                   uint64
	taken, falling, rising uint32
	size                   uint
}

type sum struct{ value, tasks uint64 }

// The children, and what a leaf is worth.
type expand func(node, *[10]node) (int, uint64)

func fib(at node, to *[10]node) (int, uint64) {
	if at.size < 2 {
		return 0, uint64(at.size)
	}
	to[0], to[1] = node{size: at.size - 1}, node{size: at.size - 2}
	return 2, 0
}

func skynet(at node, to *[10]node) (int, uint64) {
	if at.size == 1 {
		return 0, at.seed
	}
	for i := range to {
		to[i] = node{size: at.size / 10, seed: at.seed + uint64(i)*uint64(at.size/10)}
	}
	return 10, 0
}

func placed(at node, to *[10]node) (int, uint64) {
	if at.size == 0 {
		return 0, 1
	}
	n := 0
	for column := 0; column < queens; column++ {
		bit := uint32(1) << column
		if (at.taken|at.falling|at.rising)&bit == 0 {
			to[n] = node{taken: at.taken | bit, falling: (at.falling | bit) >> 1,
				rising: (at.rising | bit) << 1, size: at.size - 1}
			n++
		}
	}
	return n, 0
}

func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func tree(at node, to *[10]node) (int, uint64) {
	if at.size >= fullLevels && at.seed%1000 >= 98 {
		return 0, 1
	}
	for i := range to {
		to[i] = node{seed: mixed(at.seed + uint64(i)), size: at.size + 1}
	}
	return 10, 0
}

func visit(children expand, at node) sum {
	var to [10]node
	var sums [10]sum
	n, value := children(at, &to)
	if n == 0 {
		return sum{value, 1}
	}
	var all sync.WaitGroup
	all.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			sums[i] = visit(children, to[i])
			all.Done()
		}(i)
	}
	all.Wait()
	total := sum{0, 1}
	for i := 0; i < n; i++ {
		total.value += sums[i].value
		total.tasks += sums[i].tasks
	}
	return total
}

func show(name string, took time.Duration, tasks, answer uint64) {
	fmt.Printf("%s %.2f %d\n", name, float64(took.Nanoseconds())/float64(tasks), answer)
}

func timeSpawn() {
	began := time.Now()
	for i := 0; i < spawned; i += group {
		var all sync.WaitGroup
		all.Add(group)
		for j := 0; j < group; j++ {
			go all.Done()
		}
		all.Wait()
	}
	show("spawn", time.Since(began), spawned, 0)
}

func timeWake() {
	calls, arrived := make(chan bool), make(chan time.Time)
	go func() {
		for range calls {
			arrived <- time.Now()
		}
	}()
	times := make([]time.Duration, wakeups)
	for i := range times {
		time.Sleep(settle)
		began := time.Now()
		calls <- true
		times[i] = (<-arrived).Sub(began)
	}
	sort.Slice(times, func(a, b int) bool { return times[a] < times[b] })
	show("wake", times[wakeups/2], 1, 0)
}

func timeStream() {
	queue, done := make(chan *node, queueOf), make(chan bool)
	go func() {
		for i := 0; i < streamed; i++ {
			<-queue
		}
		done <- true
	}()
	began := time.Now()
	for i := 0; i < streamed; i++ {
		queue <- nil
	}
	<-done
	show("stream", time.Since(began), streamed, 0)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kernels WORKERS")
		os.Exit(2)
	}
	workers, _ := strconv.Atoi(os.Args[1])
	runtime.GOMAXPROCS(workers)
	timeSpawn()
	for _, kernel := range []struct {
		name     string
		children expand
		root     node
	}{{"fib", fib, node{size: 27}}, {"skynet", skynet, node{size: 100000}},
		{"queens", placed, node{size: queens}}, {"tree", tree, node{seed: 1}}} {
		began := time.Now()
		total := visit(kernel.children, kernel.root)
		show(kernel.name, time.Since(began), total.tasks, total.value)
	}
	timeWake()
	timeStream()
}

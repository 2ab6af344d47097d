"""Deep machines in PyTorch, written as an expert would: one fused product with bias a pass, updates and activations in place, no copies.

Up-down: an epoch of the algorithm of Hinton, Osindero and Teh (2006, appendix B) on 784-500-500-2000 with 10 labels.
Algorithm 20.1: an epoch of variational stochastic maximum likelihood of a DBM 784-500-1000 (Goodfellow, Bengio and Courville 2016).
Sweeps: Gibbs sampling of the same DBM, even layers and odd layers in turn.

`draw` makes states of probabilities; `compiled` hands the steps to torch.compile.
"""
import torch

RATE, DECAY, MOMENTUM = 0.01, 2e-4, 0.9


def sigmoid(x, w, b):
    return torch.addmm(b, x, w).sigmoid_()


def by_uniform(p):
    return torch.rand_like(p).lt_(p)


class UpDown:
    """Directed layers with weights of their own each way, and an associative memory of 500 + 10 and 2000 units on top."""

    def __init__(self, batch, iterations, sizes=(784, 500, 500, 2000), labels=10, draw=by_uniform, compiled=False):
        w = lambda n, m: 0.01 * torch.randn(n, m)
        self.batch, self.iterations, self.labels, self.draw = batch, iterations, labels, draw
        self.up = [(w(n, m), torch.zeros(m)) for n, m in zip(sizes[:-2], sizes[1:-1])]
        self.down = [(w(m, n), torch.zeros(n)) for n, m in zip(sizes[:-2], sizes[1:-1])]
        self.top = w(sizes[-2] + labels, sizes[-1])
        self.pen, self.hidden = torch.zeros(sizes[-2] + labels), torch.zeros(sizes[-1])
        self.n = sizes[-2]
        if compiled:
            self.step = torch.compile(self.step)

    def below_top(self, h):
        x = torch.addmm(self.pen, h, self.top.t())
        states, y = x[:, : self.n], x[:, self.n :]
        picked = torch.multinomial(torch.softmax(y, 1), 1)
        out = torch.zeros_like(x)
        out[:, : self.n] = self.draw(torch.sigmoid(states))
        out[:, self.n :].scatter_(1, picked, 1.0)
        return out

    def step(self, v, y):
        r, draw = RATE / len(v), self.draw
        # Wake: up with the recognition weights, and the generative ones learn to predict what is below.
        states = [v]
        for w, b in self.up:
            states.append(draw(sigmoid(states[-1], w, b)))
        positive = torch.cat((states[-1], y), 1)
        p = sigmoid(positive, self.top, self.hidden)
        negative, q = positive, p
        for _ in range(self.iterations):
            negative = self.below_top(draw(q))
            q = sigmoid(negative, self.top, self.hidden)
        for (w, b), below, above in zip(self.down, states, states[1:]):
            miss = below - sigmoid(above, w, b)
            w.addmm_(above.t(), miss, alpha=r)
            b.add_(miss.sum(0), alpha=r)
        self.top.addmm_(positive.t(), p, alpha=r).addmm_(negative.t(), q, alpha=-r)
        self.pen.add_((positive - negative).sum(0), alpha=r)
        self.hidden.add_((p - q).sum(0), alpha=r)
        # Sleep: down with the generative weights, and the recognition ones learn to predict what was above.
        x = negative[:, : self.n]
        for k in reversed(range(len(self.down))):
            mean = sigmoid(x, *self.down[k])
            below = mean if k == 0 else draw(mean)
            w, b = self.up[k]
            miss = x - sigmoid(below, w, b)
            w.addmm_(below.t(), miss, alpha=r)
            b.add_(miss.sum(0), alpha=r)
            x = below

    def epoch(self, images, labels):
        for i in range(0, len(images), self.batch):
            self.step(images[i : i + self.batch], labels[i : i + self.batch])
        assert torch.isfinite(self.top).all()


class Dbm:
    """A DBM with two hidden layers."""

    def __init__(self, chains, sizes=(784, 500, 1000), deviation=0.01, draw=by_uniform, compiled=False):
        n, m, k = sizes
        self.draw = draw
        self.w1, self.w2 = deviation * torch.randn(n, m), deviation * torch.randn(m, k)
        self.a, self.b, self.c = torch.zeros(n), torch.zeros(m), torch.zeros(k)
        self.v, self.h2 = (torch.rand(chains, n) < 0.5).float(), (torch.rand(chains, k) < 0.5).float()
        self.s1, self.s2 = torch.zeros(n, m), torch.zeros(m, k)
        if compiled:
            self.sweep, self.step = torch.compile(self.sweep), torch.compile(self.step)

    def sweep(self):
        """The odd layer given both its neighbors, then the even ones."""
        draw = self.draw
        x = torch.addmm(self.b, self.v, self.w1).addmm_(self.h2, self.w2.t())
        h1 = draw(x.sigmoid_())
        self.v = draw(sigmoid(h1, self.w1.t(), self.a))
        self.h2 = draw(sigmoid(h1, self.w2, self.c))

    def sweeps(self, count):
        for _ in range(count):
            self.sweep()
        assert torch.isfinite(self.v).all()

    def step(self, v, iterations, sweeps):
        from_v = v @ self.w1  # the same in every iteration
        m1 = torch.add(self.b, from_v, alpha=2.0).sigmoid_()
        from_v += self.b
        m2 = sigmoid(m1, self.w2, self.c)
        for _ in range(iterations):
            m1 = torch.addmm(from_v, m2, self.w2.t()).sigmoid_()
            m2 = sigmoid(m1, self.w2, self.c)
        for _ in range(sweeps):
            self.sweep()
        h1 = torch.addmm(self.b, self.v, self.w1).addmm_(self.h2, self.w2.t()).sigmoid_()
        r, s = RATE / len(v), -RATE / len(self.v)
        self.s1.mul_(MOMENTUM).addmm_(v.t(), m1, alpha=r).addmm_(self.v.t(), h1, alpha=s).add_(self.w1, alpha=-RATE * DECAY)
        self.s2.mul_(MOMENTUM).addmm_(m1.t(), m2, alpha=r).addmm_(h1.t(), self.h2, alpha=s).add_(self.w2, alpha=-RATE * DECAY)
        self.w1.add_(self.s1)
        self.w2.add_(self.s2)
        self.a.add_(v.sum(0), alpha=r).add_(self.v.sum(0), alpha=s)
        self.b.add_(m1.sum(0), alpha=r).add_(h1.sum(0), alpha=s)
        self.c.add_(m2.sum(0), alpha=r).add_(self.h2.sum(0), alpha=s)

    def epoch(self, images, batch, iterations, sweeps):
        for i in range(0, len(images), batch):
            self.step(images[i : i + batch], iterations, sweeps)
        assert torch.isfinite(self.w2).all()


def peers(images, labels, batch, chains, sweeps):
    """Works, names and calls, the best of PyTorch's ways: uniforms compared or bernoulli, eager or compiled."""
    for name, options in (
        ("rand < p", {}),
        ("bernoulli", {"draw": torch.bernoulli}),
        ("compiled", {"compiled": True}),
    ):
        name = f"PyTorch {name}" if name == "compiled" else f"PyTorch eager, {name}"
        network, machine, chain = UpDown(batch, 3, **options), Dbm(batch, **options), Dbm(chains, **options)
        yield "up-down epoch", name, lambda x=network: x.epoch(images, labels)
        yield "Algorithm 20.1 epoch", name, lambda x=machine: x.epoch(images, batch, 10, 5)
        yield "DBM Gibbs sweeps", name, lambda x=chain: x.sweeps(sweeps)

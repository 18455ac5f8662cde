"""The benchmarks: gpubp beside what one would use instead, in one run, for anyone to repeat.

It is part of the package, so that `gpubp bench` works wherever gpubp is installed; `bench/` in a checkout holds results
and says what they mean. Who is measured lives in a process of its own, in which this package goes by the name `bench`,
so that no other contender has to import gpubp (see `launch`): the modules that run there import one another relatively.
"""

import os, resource, time, shutil
import pytest
from tests.acceptance.conftest import *
from tests.acceptance.conftest import project
CG="/sys/fs/cgroup/cpuacct/quick/p/cpuacct."
def use():
    return {k:int(open(CG+"usage_"+k).read())/1e9 for k in("user","sys")}
def test_a(project):
    made = project({"rules": right(constrained=True)})
    res={}
    C=("--selfopt-cycle",)
    V={"base":C,"nolog":(*C,"-p","no:logging"),"noanyio":(*C,"-p","no:anyio"),"nogc":(*C,"-p","nogc"),"qgain":(*C,"-p","qgain"),
       "all":(*C,"-p","no:logging","-p","no:anyio","-p","nogc","-p","qgain"),"plain":(),"plainnolog":("-p","no:logging","-p","no:anyio"),"ver":("--version",), "few":(*C,"-p","no:logging","-p","no:anyio","-p","qgain","-p","no:junitxml","-p","no:doctest","-p","no:pastebin","-p","no:stepwise","-p","no:setuponly","-p","no:setupplan","-p","no:nose","-p","no:legacypath","-p","no:faulthandler")}
    for i in range(7):
        for k,args in V.items():
            shutil.rmtree(made.path/".selfopt",ignore_errors=True); (made.path/"routing_config.json").unlink(missing_ok=True)
            c0=use(); p0=time.process_time()
            made.run(*args)
            c1=use(); res.setdefault(k,[]).append(tuple(c1[x]-c0[x] for x in c0)+(time.process_time()-p0,))
    for k,v in res.items():
        b=min(v,key=lambda x:sum(x[:2])); print("RES",k,[round(x,3) for x in b])
